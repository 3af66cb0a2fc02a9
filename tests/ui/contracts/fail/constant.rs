//! A constant that only the server knows.
use cluster::prelude::*;

#[entity]
pub trait Bank {
    const LIMIT: i64;

    #[message]
    async fn deposit(&mut self, cents: i64) -> i64;
}

fn main() {}
