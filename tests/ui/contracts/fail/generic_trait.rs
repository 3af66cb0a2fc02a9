//! A contract of many types.
use cluster::prelude::*;

#[entity]
pub trait Bank<Currency> {
    #[message]
    async fn deposit(&mut self, cents: i64) -> i64;
}

fn main() {}
