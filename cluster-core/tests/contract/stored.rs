//! Shapes in storage: what is written is read again, whatever else is there is refused.

use cluster_core::codec::to_json;
use cluster_core::contract::{Schema, Shape, ShapeError, trace};
use serde::de::DeserializeOwned;

use crate::corpus::{Order, RecVec, each};

/// A stored shape keeps everything: names for people, aliases, its fingerprint.
#[test]
fn shapes_survive_storage() {
    fn one<T: DeserializeOwned>(_name: &str) {
        let Ok(shape) = trace::<T>() else { return };
        let read = Shape::from_bytes(&shape.to_bytes()).unwrap();
        assert_eq!(read, shape);
        assert_eq!(read.fingerprint(), shape.fingerprint());
        assert_eq!(read.canonical_bytes(), shape.canonical_bytes());
        assert_eq!(read.to_string(), shape.to_string());
        let text = serde_json::to_string(&shape).unwrap();
        assert_eq!(serde_json::from_str::<Shape>(&text).unwrap(), shape);
    }
    each!(one);
}

/// The stored form is fixed: a version byte, the nodes, and a note with the type's name for each.
#[test]
fn the_stored_form_is_golden() {
    let bytes = trace::<Option<crate::corpus::Instant>>().unwrap().to_bytes();
    let notes = [&[3, 0, 0, 7][..], b"Instant", &[0, 0, 0]].concat();
    let expected = [&[1, 3, 1, 1, 6, 2, 0, 5][..], &notes].concat();
    assert_eq!(bytes, expected);
}

/// Bytes of another version say so, and no bytes at all are no shape.
#[test]
fn other_versions_are_named() {
    assert_eq!(
        Shape::from_bytes(&[2, 1, 0, 2]),
        Err(ShapeError::UnknownVersion { found: 2, known: 1 })
    );
    assert!(matches!(Shape::from_bytes(&[]), Err(ShapeError::Malformed { .. })));
}

/// No cut, longer or damaged bytes make reading panic, hang or allocate without bound; what is
/// still accepted is a canonical shape that writes itself as it was read.
#[test]
fn hostile_shapes_are_harmless() {
    let schema = Schema::of::<RecVec>().unwrap();
    let good = schema.shape().to_bytes();
    for cut in 0..good.len() {
        assert!(Shape::from_bytes(&good[..cut]).is_err());
    }
    assert!(Shape::from_bytes(&[&good[..], &[0]].concat()).is_err());
    for bytes in [trace::<Order>().unwrap().to_bytes(), good] {
        for position in 0..bytes.len() {
            for flipped in 0..=255 {
                let mut damaged = bytes.clone();
                damaged[position] ^= flipped;
                if let Ok(shape) = Shape::from_bytes(&damaged) {
                    assert_eq!(shape.to_bytes(), damaged);
                    let _ = shape.to_string();
                }
            }
        }
    }
    // A chain of options that is longer than any type: refused before it is looked at.
    let mut chain = vec![1, 251, 136, 19];
    for node in 1..5_000_u16 {
        chain.push(1);
        chain.push(251);
        chain.extend(node.to_le_bytes());
    }
    chain.extend([0, 2, 251, 136, 19]);
    chain.extend([0, 0].repeat(5_000));
    assert!(matches!(Shape::from_bytes(&chain), Err(ShapeError::Malformed { .. })));
    let huge = [&[1][..], &[253], &u64::MAX.to_le_bytes()].concat();
    assert!(Shape::from_bytes(&huge).is_err());
}

/// A shape that is small but unfolds without end is shown in bounded time, and its payloads too.
#[test]
fn shapes_that_unfold_without_end() {
    // Node n holds node n + 1 thrice and, to be told apart, the last node; the last is a unit.
    let mut bytes = vec![1, 41];
    for node in 1..=40 {
        bytes.extend([4, 4, node, node, node, 40]);
    }
    bytes.extend([0, 0, 41]);
    bytes.extend([0, 0].repeat(41));
    let shape = Shape::from_bytes(&bytes).unwrap();
    assert!(shape.to_string().len() < 4 << 20);
    let payload = [&[1][..], &shape.fingerprint().as_u64().to_le_bytes()].concat();
    assert!(to_json(&payload, &shape).is_err());
    // A newtype of itself.
    let endless = Shape::from_bytes(&[1, 1, 6, 0, 1, 0, 0]).unwrap();
    assert_eq!(endless.to_string(), "#0 = new #0");
    let payload = [&[1][..], &endless.fingerprint().as_u64().to_le_bytes()].concat();
    assert!(to_json(&payload, &endless).is_err());
}
