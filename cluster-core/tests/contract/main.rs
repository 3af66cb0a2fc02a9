//! Contracts: shapes traced from serde, their fingerprints, and what is refused.
// Tests fail by panicking.
#![allow(clippy::unwrap_used)]

mod corpus;
use corpus::each;

#[test]
fn show() {
    fn one<T: serde::de::DeserializeOwned + serde::Serialize>(name: &str) {
        match cluster_core::contract::probe::<T>() {
            Ok(shape) => println!("== {name} {shape:#?}"),
            Err(error) => println!("== {name} REFUSED {error}"),
        }
    }
    each!(one);
}
