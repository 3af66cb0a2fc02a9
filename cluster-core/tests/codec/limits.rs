//! Limits hold when writing, so that what is written can be read, and when reading.

use cluster_core::codec::{DEPTH_MAX, DecodeError, EncodeError, HOLLOW_MAX, decode, encode};
use cluster_core::codec::{encode_json, to_json};
use serde::{Deserialize, Serialize};

use crate::{LIMIT, payload, schema};

/// A payload of exactly the limit is written; one byte more is refused and says how large it is.
#[test]
fn payloads_over_the_limit() {
    let schema = schema::<String>();
    let text = "x".repeat(1_000);
    let size = 9 + 3 + 1_000;
    assert_eq!(encode(&text, &schema, size).unwrap().len(), size);
    let error = encode(&text, &schema, size - 1).unwrap_err();
    assert_eq!(error, EncodeError::TooLarge { limit: size - 1, size });
    let json = encode_json(&text, &schema, 100).unwrap_err();
    assert_eq!(json, EncodeError::TooLarge { limit: 100, size: 9 + 1_002 });
    assert_eq!(error.to_string(), "payload of 1012 bytes is over the limit of 1011 bytes");
}

/// A sequence whose length is known at the end only counts the same, also across the limit.
#[test]
fn late_lengths_over_the_limit() {
    struct Late;
    impl Serialize for Late {
        fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.collect_seq((0..1_000_u32).filter(|_| true))
        }
    }
    impl<'de> Deserialize<'de> for Late {
        fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            Vec::<u32>::deserialize(from).map(|_| Late)
        }
    }
    let schema = schema::<Late>();
    let size = encode(&Late, &schema, LIMIT).unwrap().len();
    for limit in [size - 1, size - 2, size - 3, 100, 9, 0] {
        let error = encode(&Late, &schema, limit).map(|_| ()).unwrap_err();
        assert_eq!(error, EncodeError::TooLarge { limit, size });
    }
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Link {
    next: Option<Box<Link>>,
}

fn chain(links: usize) -> Link {
    (1..links).fold(Link { next: None }, |link, _| Link { next: Some(Box::new(link)) })
}

/// A value nested as deep as allowed is carried, one deeper is refused when written.
#[test]
fn nesting() {
    payload(&chain(DEPTH_MAX / 2));
    let too_deep = chain(DEPTH_MAX / 2 + 1);
    let error = encode(&too_deep, &schema::<Link>(), LIMIT).unwrap_err();
    assert!(
        matches!(&error, EncodeError::Refused { why, .. } if why.contains("deeper")),
        "{error}"
    );
}

/// Bytes that nest without end are refused before the stack is.
#[test]
fn hostile_nesting() {
    let schema = schema::<Link>();
    let mut bytes = encode(&chain(1), &schema, LIMIT).unwrap()[..9].to_vec();
    bytes.extend(std::iter::repeat_n(1, 1_000_000));
    let error = decode::<Link>(&bytes, &schema).unwrap_err();
    assert!(matches!(&error, DecodeError::Malformed { why, .. } if why.contains("deeper")));
    let error = to_json(&bytes, schema.shape()).unwrap_err();
    assert!(matches!(&error, DecodeError::Malformed { why, .. } if why.contains("deeper")));
}

/// Elements without bytes are carried up to their limit; a length without bytes behind it costs
/// nothing.
#[test]
fn hollow_elements() {
    payload(&vec![(); HOLLOW_MAX]);
    let units = schema::<Vec<()>>();
    let error = encode(&vec![(); HOLLOW_MAX + 1], &units, LIMIT).unwrap_err();
    assert!(matches!(&error, EncodeError::Refused { .. }), "{error}");
    let mut bytes = encode(&Vec::<()>::new(), &units, LIMIT).unwrap()[..9].to_vec();
    bytes.extend([&[253][..], &u64::MAX.to_le_bytes()].concat());
    assert!(matches!(decode::<Vec<()>>(&bytes, &units), Err(DecodeError::Malformed { .. })));
    assert!(matches!(to_json(&bytes, units.shape()), Err(DecodeError::Malformed { .. })));
}

/// An announced length allocates nothing that the bytes behind it do not hold.
#[test]
fn announced_lengths() {
    type Wide = Vec<[u64; 32]>;
    let lengths = [1 << 20, 1 << 40, u64::MAX];
    for length in lengths.map(u64::to_le_bytes) {
        fn hostile<T: serde::de::DeserializeOwned>(length: [u8; 8]) -> DecodeError {
            let schema = schema::<T>();
            let header = [&[1][..], &schema.fingerprint().as_u64().to_le_bytes()].concat();
            let bytes = [&header[..], &[253], &length, b"abc"].concat();
            assert!(to_json(&bytes, schema.shape()).is_err());
            decode::<T>(&bytes, &schema).map(|_| ()).unwrap_err()
        }
        for error in [
            hostile::<Wide>(length),
            hostile::<String>(length),
            hostile::<serde_bytes::ByteBuf>(length),
            hostile::<std::collections::HashMap<u64, u64>>(length),
        ] {
            assert!(matches!(error, DecodeError::Truncated { .. }), "{error}");
        }
    }
}
