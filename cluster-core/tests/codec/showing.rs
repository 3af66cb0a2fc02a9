//! Any payload can be shown as JSON through its stored shape, without its type.

use std::collections::BTreeMap;

use cluster_core::codec::{encode_json, to_json};
use cluster_core::contract::Shape;
use serde_json::json;

use crate::types::{Everything, everything};
use crate::{LIMIT, payload, schema};

/// Every kind of value, through a shape that comes out of storage.
#[test]
fn every_kind_of_value() {
    let shape = Shape::from_bytes(&schema::<Everything>().shape().to_bytes()).unwrap();
    let shown = to_json(&payload(&everything()), &shape).unwrap();
    assert_eq!(
        shown,
        json!({
            "unit": null,
            "yes": true,
            "small": [255, -1],
            "unsigned": [0, 250, 251, 65_535, 65_536, u64::MAX],
            "signed": [0, -1, 1, -126, i32::MIN],
            "wide": [u128::MAX.to_string(), "-1"],
            "floats": [1.5, -0.25],
            "letter": "é",
            "text": "naïve",
            "bytes": "0x00ff",
            "none": null,
            "some": 300,
            "map": {
                "a": "Unit",
                "b": { "Newtype": { "Tuple": [9, "x"] } },
                "c": { "Struct": { "on": false } },
            },
            "marker": null,
            "pair": [1, 2],
            "json": { "k": [1, null] },
            "size": [7, -7],
        })
    );
}

/// Floats that JSON does not know are text.
#[test]
fn odd_floats() {
    type Floats = (f32, f64, f64);
    let schema = schema::<Floats>();
    let value: Floats = (f32::NAN, f64::INFINITY, f64::NEG_INFINITY);
    let payload = cluster_core::codec::encode(&value, &schema, LIMIT).unwrap();
    assert_eq!(to_json(&payload, schema.shape()).unwrap(), json!(["NaN", "inf", "-inf"]));
}

/// A map is an object where its keys are plain, else a list of pairs.
#[test]
fn maps() {
    let numbers = BTreeMap::from([(1_u8, true), (10, false)]);
    let shape = schema::<BTreeMap<u8, bool>>();
    assert_eq!(
        to_json(&payload(&numbers), shape.shape()).unwrap(),
        json!({ "1": true, "10": false })
    );
    let pairs = BTreeMap::from([((1_u8, 2_u8), "a".to_owned())]);
    let shape = schema::<BTreeMap<(u8, u8), String>>();
    assert_eq!(to_json(&payload(&pairs), shape.shape()).unwrap(), json!([[[1, 2], "a"]]));
}

/// A payload that is JSON already is shown as it is.
#[test]
fn json_payloads() {
    let schema = schema::<Everything>();
    let payload = encode_json(&everything().map, &schema, LIMIT).unwrap();
    let shown = to_json(&payload, schema.shape()).unwrap();
    assert_eq!(shown["b"], json!({ "Newtype": { "Tuple": [9, "x"] } }));
}
