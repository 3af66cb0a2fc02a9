//! What bincode cannot carry is refused when a type is traced, by type and field path, with a way
//! out.

use std::collections::BTreeMap;

use cluster_core::codec::Json;
use cluster_core::contract::{Schema, TraceError, trace};
use serde::{Deserialize, Serialize};

use crate::corpus::{AdjTag, Flat, FlatMap, IntTag, Item, Untag};

fn refused<'de, T: Deserialize<'de>>() -> TraceError {
    trace::<T>().expect_err("bincode cannot carry this")
}

/// The path of a refusal leads from the registered type to the field, through everything between.
// proves: B228
#[test]
fn refusals_name_type_and_field() {
    #[derive(Deserialize)]
    #[allow(dead_code)] // only its shape is of interest
    struct Line {
        what: Untag,
    }
    #[derive(Deserialize)]
    #[allow(dead_code)] // only its shape is of interest
    enum Step {
        Leave,
        Buy { lines: Vec<Option<Line>> },
    }
    #[derive(Deserialize)]
    #[allow(dead_code)] // only its shape is of interest
    struct PlaceOrder {
        id: u64,
        step: Step,
    }
    let error = refused::<PlaceOrder>();
    assert_eq!(error.type_name, "PlaceOrder");
    assert_eq!(error.refusals.len(), 1);
    assert_eq!(error.refusals[0].path, "PlaceOrder.step::Buy.lines[].what");
    assert!(error.refusals[0].why.contains("untagged"), "{error}");
    assert!(error.refusals[0].why.contains("hold it as Json<..>"), "{error}");
    assert_eq!(error.to_string(), format!("{}: {}", error.refusals[0].path, error.refusals[0].why));
}

/// Every form that needs a format which describes itself is refused, at its own place.
// proves: B228
#[test]
fn every_self_describing_form_is_refused() {
    let path = |error: TraceError| error.refusals[0].path.clone();
    assert_eq!(path(refused::<Untag>()), "Untag");
    assert_eq!(path(refused::<IntTag>()), "IntTag");
    assert_eq!(path(refused::<AdjTag>()), "AdjTag.c");
    assert_eq!(path(refused::<serde_json::Value>()), "Value");
    assert_eq!(path(refused::<(u8, Vec<serde_json::Value>)>()), "(u8, Vec<Value>).1[]");
    assert_eq!(path(refused::<serde::de::IgnoredAny>()), "IgnoredAny");
    let flat = refused::<Flat>();
    assert!(flat.refusals[0].why.contains("flatten"), "{flat}");
    assert_eq!(path(flat), "Flat");
    assert_eq!(path(refused::<BTreeMap<u8, FlatMap>>()), "BTreeMap<u8, FlatMap>{value}");
}

/// All places at fault are named at once.
// proves: B228
#[test]
fn all_refusals_come_at_once() {
    #[derive(Deserialize)]
    #[allow(dead_code)] // only its shape is of interest
    struct Three {
        a: serde_json::Value,
        b: Item,
        c: Option<Untag>,
        d: Flat,
    }
    let paths: Vec<String> = refused::<Three>().refusals.into_iter().map(|one| one.path).collect();
    assert_eq!(paths, ["Three.a", "Three.c", "Three.d"]);
}

/// The way out works: what is refused is carried as `Json`.
// proves: B228
#[test]
fn json_carries_what_is_refused() {
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Holder {
        id: u8,
        any: Json<Untag>,
        flat: Vec<Json<Flat>>,
        value: Json<serde_json::Value>,
    }
    let schema = Schema::of::<Holder>().unwrap();
    assert_eq!(
        schema.shape().to_string(),
        "Holder = { id: u8, any: json, flat: [json], value: json }"
    );
}
