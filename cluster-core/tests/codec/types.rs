//! A type with every kind of node, and a value of it.

use std::collections::{BTreeMap, HashMap, HashSet};

use cluster_core::codec::Json;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(crate) struct Everything {
    pub(crate) unit: (),
    pub(crate) yes: bool,
    pub(crate) small: (u8, i8),
    pub(crate) unsigned: [u64; 6],
    pub(crate) signed: Vec<i32>,
    pub(crate) wide: (u128, i128),
    pub(crate) floats: (f32, f64),
    pub(crate) letter: char,
    pub(crate) text: String,
    #[serde(with = "serde_bytes")]
    pub(crate) bytes: Vec<u8>,
    pub(crate) none: Option<u16>,
    pub(crate) some: Option<Newtype>,
    pub(crate) map: BTreeMap<String, Kind>,
    pub(crate) marker: Marker,
    pub(crate) pair: Pair,
    pub(crate) json: Json<serde_json::Value>,
    pub(crate) size: (usize, isize),
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(crate) struct Newtype(pub(crate) u16);

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(crate) struct Marker;

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(crate) struct Pair(pub(crate) u8, pub(crate) u8);

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Unit,
    Newtype(Box<Kind>),
    Tuple(u8, String),
    Struct { on: bool },
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(crate) struct Unordered {
    pub(crate) map: HashMap<String, u8>,
    pub(crate) set: HashSet<u16>,
    pub(crate) list: Vec<u16>,
    pub(crate) json: Json<serde_json::Value>,
}

pub(crate) fn everything() -> Everything {
    Everything {
        unit: (),
        yes: true,
        small: (255, -1),
        unsigned: [0, 250, 251, 65_535, 65_536, u64::MAX],
        signed: vec![0, -1, 1, -126, i32::MIN],
        wide: (u128::MAX, -1),
        floats: (1.5, -0.25),
        letter: 'é',
        text: "naïve".into(),
        bytes: vec![0, 255],
        none: None,
        some: Some(Newtype(300)),
        map: BTreeMap::from([
            ("a".into(), Kind::Unit),
            ("b".into(), Kind::Newtype(Box::new(Kind::Tuple(9, "x".into())))),
            ("c".into(), Kind::Struct { on: false }),
        ]),
        marker: Marker,
        pair: Pair(1, 2),
        json: Json(serde_json::json!({"k": [1, null]})),
        size: (7, -7),
    }
}
