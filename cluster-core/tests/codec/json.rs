//! `Json<T>` carries what bincode cannot.

use std::collections::BTreeMap;

use cluster_core::codec::{DecodeError, Json, decode, to_json};
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
