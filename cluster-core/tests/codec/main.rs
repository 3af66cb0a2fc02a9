//! Payloads: what they look like, what is refused, and that no bytes do harm.

// Tests fail by panicking.
#![allow(clippy::unwrap_used)]

mod comparing;
mod golden;
mod hostile;
mod json;
mod limits;
mod opaque;
mod refusals;
mod showing;
mod types;

use cluster_core::codec::{decode, encode};
use cluster_core::contract::Schema;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The default limit of payloads.
const LIMIT: usize = 4 << 20;

fn schema<T: DeserializeOwned>() -> Schema {
    Schema::of::<T>().unwrap()
}

/// The payload of a value, which must come back from it.
fn payload<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) -> Vec<u8> {
    let schema = schema::<T>();
    let payload = encode(value, &schema, LIMIT).unwrap();
    assert_eq!(&decode::<T>(&payload, &schema).unwrap(), value);
    payload.to_vec()
}
