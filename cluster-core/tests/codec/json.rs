//! `Json<T>` carries what bincode cannot.

use std::collections::BTreeMap;

use cluster_core::codec::{
    DecodeError, Json, arguments_equal, decode, encode, encode_json, to_json,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{payload, schema};

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(untagged)]
enum Untagged {
    Number(i64),
    Text(String),
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
struct Flat {
    id: u8,
    #[serde(flatten)]
    rest: BTreeMap<String, Untagged>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// Untagged, flattened and skipping types come back from `Json`, anywhere in a value.
#[test]
fn everything_serde_json_can() {
    let rest = BTreeMap::from([("x".into(), Untagged::Number(1))]);
    let flat = Json(Flat { id: 1, rest, note: None });
    payload(&(Json(Untagged::Text("a".into())), vec![flat], Json(json!([1, {"a": null}]))));
}

/// In formats for people a `Json` is its value: nothing is quoted twice.
#[test]
fn transparent_for_people() {
    let value = Json(Untagged::Number(7));
    assert_eq!(serde_json::to_string(&value).unwrap(), "7");
    assert_eq!(serde_json::from_str::<Json<Untagged>>("7").unwrap(), value);
    let schema = schema::<Option<Json<Untagged>>>();
    assert_eq!(to_json(&payload(&Some(value)), schema.shape()).unwrap(), json!(7));
}

/// Text that is no JSON, or JSON of another type, is malformed and says where.
#[test]
fn malformed_text() {
    let schema = schema::<(u8, Json<Untagged>)>();
    let good = payload(&(1_u8, Json(Untagged::Number(7))));
    for (text, why) in [("{", "EOF"), ("[]", "untagged")] {
        let body = [&good[..10], &[text.len() as u8], text.as_bytes()].concat();
        match decode::<(u8, Json<Untagged>)>(&body, &schema).unwrap_err() {
            DecodeError::Malformed { path, why: actual } => {
                assert_eq!(path, "(u8, Json<Untagged>).1");
                assert!(actual.contains(why), "{actual}");
            }
            other => panic!("{other}"),
        }
    }
}

/// What JSON cannot say is refused where it is written, by its place: it would come back as `null`
/// or not at all.
#[test]
fn what_json_cannot_hold_is_refused() {
    #[derive(Serialize, Deserialize, Debug)]
    struct Reading {
        celsius: Vec<f64>,
    }
    let refused = |value: f64| {
        let reading = Json(Reading { celsius: vec![1.0, value] });
        let error = encode(&reading, &schema::<Json<Reading>>(), usize::MAX).unwrap_err();
        assert!(error.to_string().contains(".celsius[1]"), "{error}");
        assert!(encode_json(&reading, &schema::<Json<Reading>>(), usize::MAX).is_err());
    };
    [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].into_iter().for_each(refused);
    let nested = |levels: usize| (0..levels).fold(json!(7), |inner, _| json!([inner]));
    payload(&Json(nested(127)));
    let error = encode(&Json(nested(128)), &schema::<Json<serde_json::Value>>(), usize::MAX);
    assert!(error.unwrap_err().to_string().contains("127 levels"));
    #[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
    enum Tree {
        Leaf,
        Node { inner: Box<Tree> },
    }
    let tree =
        |levels| (0..levels).fold(Tree::Leaf, |inner, _| Tree::Node { inner: Box::new(inner) });
    payload(&Json(tree(63)));
    assert!(encode(&Json(tree(64)), &schema::<Json<Tree>>(), usize::MAX).is_err());
}

/// A float comes back as it was, to the last bit.
#[test]
fn floats_come_back_exactly() {
    let mut bits = 1_u64;
    for _ in 0..10_000 {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let float = f64::from_bits(bits);
        if float.is_finite() {
            let payload = encode(&Json(float), &schema::<Json<f64>>(), usize::MAX).unwrap();
            let Json(back): Json<f64> = decode(&payload, &schema::<Json<f64>>()).unwrap();
            assert_eq!(back.to_bits(), bits);
        }
    }
}

/// Numbers that are too large for a float to tell them apart are not the same arguments.
#[test]
fn large_numbers_are_compared_as_they_are() {
    let schema = schema::<Json<u128>>();
    let payload = |number: u128| encode(&Json(number), &schema, usize::MAX).unwrap();
    let (a, b) = (payload(u128::MAX), payload(u128::MAX - 1));
    assert!(!arguments_equal(&a, &b, schema.shape()));
    assert!(arguments_equal(&a, &payload(u128::MAX), schema.shape()));
}
