//! `Json<T>` carries what bincode cannot.

use std::collections::BTreeMap;

use cluster_core::codec::{
    DecodeError, EncodeError, JSON_DEPTH_MAX, Json, decode, encode, encode_json, to_json,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{LIMIT, payload, schema};

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

/// Where and why a value was refused, in its usual format or as a whole in JSON.
fn refused<T: Serialize + DeserializeOwned>(value: &T, whole: bool) -> (String, String) {
    let schema = schema::<T>();
    let encoded =
        if whole { encode_json(value, &schema, LIMIT) } else { encode(value, &schema, LIMIT) };
    match encoded.unwrap_err() {
        EncodeError::Refused { path, why } => (path, why),
        other => panic!("{other}"),
    }
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
struct Reading {
    name: String,
    values: Vec<Option<f64>>,
}

/// JSON has no word for them: they would come back as nothing, or not at all.
#[test]
fn floats_that_json_does_not_know() {
    let reading = |value: f64| Reading { name: "x".into(), values: vec![Some(1.0), Some(value)] };
    for (value, name) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf"), (f64::NEG_INFINITY, "-inf")] {
        let (path, why) = refused(&(1_u8, Json(reading(value))), false);
        assert_eq!(path, "(u8, Json<Reading>).1.values[1]");
        assert!(why.contains(name), "{why}");
        assert_eq!(refused(&reading(value), true).0, "Reading.values[1]");
    }
    assert_eq!(refused(&Json(f32::NAN), false).0, "Json<f32>");
    // Without JSON every float is carried.
    let floats = schema::<f64>();
    let carried: f64 = decode(&encode(&f64::NAN, &floats, LIMIT).unwrap(), &floats).unwrap();
    assert!(carried.is_nan());
}

/// The path leads through everything that JSON can be.
#[test]
fn paths_inside_json() {
    #[derive(Serialize, Deserialize)]
    enum Part {
        One(f64),
        Two(u8, f64),
        Named { part: f64 },
    }
    #[derive(Serialize, Deserialize)]
    struct Pair(u8, Option<f64>);
    fn path<T: Serialize + DeserializeOwned>(value: T) -> String {
        refused(&Json(value), false).0
    }
    let bad = f64::NAN;
    assert_eq!(path(Part::One(bad)), "Json<Part>::One");
    assert_eq!(path(Part::Two(1, bad)), "Json<Part>::Two.1");
    assert_eq!(path(Part::Named { part: bad }), "Json<Part>::Named.part");
    assert_eq!(path(Pair(1, Some(bad))), "Json<Pair>.1");
    assert_eq!(path((1_u8, bad)), "Json<(u8, f64)>.1");
    assert_eq!(path(BTreeMap::from([(1_u8, bad)])), "Json<BTreeMap<u8, f64>>{value}");
    let key = BTreeMap::from([((1_u8, 2_u8), 3_u8)]);
    let (path, why) = refused(&Json(key), false);
    assert_eq!(path, "Json<BTreeMap<(u8, u8), u8>>{key}");
    assert!(why.contains("key must be a string"), "{why}");
}

fn nested(levels: usize, object: bool) -> Value {
    (0..levels)
        .fold(json!(1.5), |inner, _| if object { json!({ "a": inner }) } else { json!([inner]) })
}

/// What is as deep as the reader goes comes back; one level more is refused when it is written.
#[test]
fn nesting() {
    for object in [false, true] {
        let deepest = nested(JSON_DEPTH_MAX, object);
        payload(&Json(deepest.clone()));
        let values = schema::<Vec<Json<Value>>>();
        let whole = vec![Json(nested(JSON_DEPTH_MAX - 1, object))];
        let bytes = encode_json(&whole, &values, LIMIT).unwrap();
        assert_eq!(decode::<Vec<Json<Value>>>(&bytes, &values).unwrap(), whole);

        let (path, why) = refused(&Json(nested(JSON_DEPTH_MAX + 1, object)), false);
        assert!(path.starts_with("Json<Value>"), "{path}");
        assert!(why.contains("127 levels"), "{why}");
        let (_, why) = refused(&vec![Json(deepest)], true);
        assert!(why.contains("127 levels"), "{why}");
    }
}

/// Every level that enums have in JSON counts.
#[test]
fn nesting_of_enums() {
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    enum Chain {
        End,
        One(Box<Chain>),
        Two(u8, Box<Chain>),
        Named { next: Box<Chain> },
    }
    type Link = fn(Box<Chain>) -> Chain;
    let links: [(Link, usize); 3] =
        [(Chain::One, 1), (|next| Chain::Two(1, next), 2), (|next| Chain::Named { next }, 2)];
    for (link, levels) in links {
        let chain = |length| (0..length).fold(Chain::End, |chain, _| link(Box::new(chain)));
        let longest = JSON_DEPTH_MAX / levels;
        payload(&Json(chain(longest)));
        assert!(refused(&Json(chain(longest + 1)), false).1.contains("levels"));
    }
}

/// Every finite float is read as it was written, to its last bit.
#[test]
fn floats_come_back() {
    let bits = (1..20_000_u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let floats: Vec<f64> = bits.map(f64::from_bits).filter(|float| float.is_finite()).collect();
    let narrow: Vec<f32> =
        (1..20_000_u32).map(|n| f32::from_bits(n.wrapping_mul(0x9e37_79b9) >> 1)).collect();
    let narrow: Vec<f32> = narrow.into_iter().filter(|float| float.is_finite()).collect();
    payload(&Json(floats.clone()));
    payload(&Json(narrow));
    payload(&Json(json!(floats)));
}

/// The widest integers come back.
#[test]
fn wide_integers_come_back() {
    payload(&Json((u128::MAX, i128::MIN, BTreeMap::from([(u128::MAX, i128::MAX)]))));
}
