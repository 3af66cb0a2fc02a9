//! Places that tracing cannot see hold JSON text: whatever stands there comes back, can be shown,
//! and is never misread.

use std::collections::BTreeMap;

use cluster_core::codec::{DecodeError, EncodeError, JSON_DEPTH_MAX, decode, encode, to_json};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;

use crate::{LIMIT, payload, schema};

/// Accepts nothing that a tracer would think of.
#[derive(Serialize, Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Ticket(String);

impl<'de> Deserialize<'de> for Ticket {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        match text.strip_prefix("ticket-") {
            Some(_) => Ok(Self(text)),
            None => Err(serde::de::Error::custom("no ticket")),
        }
    }
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
struct Seat {
    row: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
struct Hall {
    seats: BTreeMap<Ticket, Seat>,
    last: Option<(Ticket, Seat, u64)>,
}

fn hall() -> Hall {
    let ticket = |number: u8| Ticket(format!("ticket-{number}"));
    let seat = |row: u8| Seat { row, note: (row > 1).then(|| "aisle".into()) };
    Hall {
        seats: BTreeMap::from([(ticket(1), seat(1)), (ticket(2), seat(2))]),
        last: Some((ticket(3), seat(3), u64::MAX)),
    }
}

/// Values behind such places come back, and are shown, as everything else.
#[test]
fn opaque_values_come_back() {
    let schema = schema::<Hall>();
    assert_eq!(
        schema.shape().to_string(),
        "Hall = { seats: map<text, opaque>, last: (text, opaque, opaque)? }"
    );
    assert_eq!(
        to_json(&payload(&hall()), schema.shape()).unwrap(),
        json!({
            "seats": { "ticket-1": { "row": 1 }, "ticket-2": { "row": 2, "note": "aisle" } },
            "last": ["ticket-3", { "row": 3, "note": "aisle" }, u64::MAX],
        })
    );
}

/// On the wire an opaque value is text.
#[test]
fn opaque_values_are_json_text() {
    let body = payload(&(Ticket("ticket-".into()), Seat { row: 1, note: None }))[9..].to_vec();
    assert_eq!(body, [&[7][..], b"ticket-", &[9], br#"{"row":1}"#].concat());
}

/// Text that the type does not read is malformed, and JSON that cannot be written is refused, by
/// path.
#[test]
fn opaque_places_have_paths() {
    let good = payload(&(Ticket("ticket-".into()), Seat { row: 1, note: None }));
    for text in [r#"{"row":x}"#, r#"{"row":1} 2"#, "{}"] {
        let body = [&good[..17], &[text.len() as u8], text.as_bytes()].concat();
        match decode::<(Ticket, Seat)>(&body, &schema::<(Ticket, Seat)>()).unwrap_err() {
            DecodeError::Malformed { path, .. } => assert_eq!(path, "(Ticket, Seat).1"),
            other => panic!("{other}"),
        }
    }
    type Unwritable = (Ticket, BTreeMap<(u8, u8), u8>);
    let value: Unwritable = (Ticket("ticket-".into()), BTreeMap::from([((1, 2), 3)]));
    match encode(&value, &schema::<Unwritable>(), LIMIT).unwrap_err() {
        EncodeError::Refused { path, why } => {
            assert_eq!(path, "(Ticket, BTreeMap<(u8, u8), u8>).1{key}");
            assert!(why.contains("key must be a string"), "{why}");
        }
        other => panic!("{other}"),
    }
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
struct Measure {
    floats: Vec<f64>,
    wide: u128,
    any: serde_json::Value,
}

/// What would not come back from JSON text is refused, by path; everything else comes back.
#[test]
fn opaque_places_refuse_what_does_not_come_back() {
    type Value = (Ticket, Measure);
    let value = |float: f64, levels: usize| -> Value {
        let any = (0..levels).fold(json!(null), |inner, _| json!([inner]));
        (Ticket("ticket-".into()), Measure { floats: vec![0.1, float], wide: u128::MAX, any })
    };
    payload(&value(f64::from_bits(0x3fb9_9999_9999_9997), JSON_DEPTH_MAX - 1));
    let refused = |value: Value| match encode(&value, &schema::<Value>(), LIMIT).unwrap_err() {
        EncodeError::Refused { path, why } => (path, why),
        other => panic!("{other}"),
    };
    let (path, why) = refused(value(f64::NAN, 0));
    assert_eq!(path, "(Ticket, Measure).1.floats[1]");
    assert!(why.contains("so it is JSON") && why.contains("NaN"), "{why}");
    let (path, why) = refused(value(1.0, JSON_DEPTH_MAX));
    assert!(path.starts_with("(Ticket, Measure).1.any[0]"), "{path}");
    assert!(why.contains("127 levels"), "{why}");
}
