//! No bytes make decoding, showing or comparing panic, hang, or misread the header.

use cluster_core::codec::{DecodeError, arguments_equal, decode, encode, fingerprint_of, to_json};
use serde::{Deserialize, Serialize};

use crate::types::{Everything, Kind, Unordered, everything};
use crate::{LIMIT, payload, schema};

/// A small generator, so that every run damages the same bytes.
struct Xorshift(u64);

impl Xorshift {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// Every cut of a payload is an error, and says where the value was when it ended.
#[test]
fn cut_payloads() {
    let schema = schema::<Everything>();
    let good = payload(&everything());
    for cut in 0..good.len() {
        let error = decode::<Everything>(&good[..cut], &schema).unwrap_err();
        assert!(matches!(error, DecodeError::Truncated { .. }), "{cut}: {error}");
        assert!(to_json(&good[..cut], schema.shape()).is_err());
    }
    let cut = &good[..good.len() - 1];
    let expected = DecodeError::Truncated { path: "Everything.size.1".into() };
    assert_eq!(decode::<Everything>(cut, &schema).unwrap_err(), expected);
}

/// Bytes behind the value are an error.
#[test]
fn longer_payloads() {
    let schema = schema::<Everything>();
    let longer = [&payload(&everything())[..], &[0, 0]].concat();
    let expected = DecodeError::Trailing { left: 2 };
    assert_eq!(decode::<Everything>(&longer, &schema).unwrap_err(), expected);
    assert_eq!(to_json(&longer, schema.shape()).unwrap_err(), expected);
}

/// Every flip of a bit gives an error or another value; what is read is written again and read the
/// same.
#[test]
fn flipped_bits() {
    let schema = schema::<Everything>();
    let good = payload(&everything());
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let _ = to_json(&bytes, schema.shape());
        let _ = arguments_equal(&bytes, &good, schema.shape());
        if let Ok(value) = decode::<Everything>(&bytes, &schema) {
            let written = encode(&value, &schema, LIMIT).unwrap();
            let read: Everything = decode(&written, &schema).unwrap();
            assert_eq!(encode(&read, &schema, LIMIT).unwrap(), written);
        }
    }
}

/// Random bodies behind a good header, and random damage in the middle of good bodies.
#[test]
fn random_bytes() {
    let mut random = Xorshift(0x9e37_79b9_7f4a_7c15);
    let everything = (schema::<Everything>(), payload(&everything()));
    let kind = (schema::<Kind>(), payload(&Kind::Newtype(Box::new(Kind::Unit))));
    for _ in 0..4_000 {
        let mut bytes = everything.1.clone();
        for _ in 0..=random.below(8) {
            let at = 9 + random.below(bytes.len() - 9);
            bytes[at] = random.next() as u8;
        }
        bytes.truncate(9 + random.below(bytes.len()));
        let _ = decode::<Everything>(&bytes, &everything.0);
        let _ = to_json(&bytes, everything.0.shape());
        let mut body = kind.1[..9].to_vec();
        body.extend((0..random.below(64)).map(|_| (random.next() % 5) as u8));
        let _ = decode::<Kind>(&body, &kind.0);
        let _ = to_json(&body, kind.0.shape());
        let _ = arguments_equal(&body, &kind.1, kind.0.shape());
    }
}

/// Headers: too short, of an unknown format, of another contract.
#[test]
fn headers() {
    let (schema, other) = (schema::<u8>(), schema::<Unordered>());
    let good = payload(&7_u8);
    let truncated = DecodeError::Truncated { path: "header".into() };
    for cut in 0..9 {
        assert_eq!(fingerprint_of(&good[..cut]).unwrap_err(), truncated);
        assert_eq!(decode::<u8>(&good[..cut], &schema).unwrap_err(), truncated);
    }
    for format in (0..=255).filter(|format| ![1, 2].contains(format)) {
        let bytes = [&[format], &good[1..]].concat();
        assert_eq!(decode::<u8>(&bytes, &schema).unwrap_err(), DecodeError::UnknownFormat(format));
    }
    let expected = DecodeError::IncompatibleContract {
        written: schema.fingerprint(),
        expected: other.fingerprint(),
    };
    assert_eq!(decode::<Unordered>(&good, &other).unwrap_err(), expected);
    assert_eq!(to_json(&good, other.shape()).unwrap_err(), expected);
}

/// What is malformed is named with its place and reason.
#[test]
fn malformed_values_say_where() {
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Holder {
        list: Vec<(bool, Option<Kind>)>,
    }
    let good = payload(&Holder { list: vec![(true, Some(Kind::Tuple(1, "x".into())))] });
    let damaged = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[9 + at] = byte;
        match decode::<Holder>(&bytes, &schema::<Holder>()).unwrap_err() {
            DecodeError::Malformed { path, why } => format!("{path}: {why}"),
            other => panic!("{other}"),
        }
    };
    assert_eq!(damaged(1, 2), "Holder.list[0].0: 2 is no bool");
    assert_eq!(damaged(2, 3), "Holder.list[0].1: 3 is no option tag");
    assert_eq!(damaged(3, 9), "Holder.list[0].1: there is no variant 9");
    assert_eq!(damaged(6, 0xff), "Holder.list[0].1::Tuple.1: the text is not UTF-8");
}

/// A type that stops reading before its value ends does not pass for one that read it.
#[test]
fn values_that_are_not_read_to_their_end() {
    use serde::de::{MapAccess, SeqAccess, Visitor};

    #[derive(Debug, PartialEq)]
    struct First;
    struct FirstOnly;
    impl<'de> Visitor<'de> for FirstOnly {
        type Value = First;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("elements")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<First, A::Error> {
            elements.next_element::<u8>().map(|_| First)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<First, A::Error> {
            entries.next_entry::<u8, u8>().map(|_| First)
        }
    }
    fn of_seq<'de, D: serde::Deserializer<'de>>(from: D) -> Result<First, D::Error> {
        from.deserialize_seq(FirstOnly)
    }
    fn of_map<'de, D: serde::Deserializer<'de>>(from: D) -> Result<First, D::Error> {
        from.deserialize_map(FirstOnly)
    }
    #[derive(Deserialize, Debug, PartialEq)]
    struct Both {
        #[serde(deserialize_with = "of_seq")]
        list: First,
        #[serde(deserialize_with = "of_map")]
        map: First,
    }
    let schema = schema::<Both>();
    let header = [&[1][..], &schema.fingerprint().as_u64().to_le_bytes()].concat();
    let read = |body: &[u8]| decode::<Both>(&[&header, body].concat(), &schema);
    assert_eq!(read(&[1, 7, 1, 7, 8]).unwrap(), Both { list: First, map: First });
    let path = |body: &[u8]| match read(body).unwrap_err() {
        DecodeError::Malformed { path, why } => format!("{path}: {why}"),
        other => panic!("{other}"),
    };
    let why = "the type does not read all that its shape has";
    assert_eq!(path(&[2, 7, 7, 1, 7, 8]), format!("Both.list: {why}"));
    assert_eq!(path(&[1, 7, 2, 7, 8, 7, 8]), format!("Both.map: {why}"));
}
