//! A type that only the server knows.
use cluster::prelude::*;

#[entity]
pub trait Bank {
    type Currency;

    #[message]
    async fn deposit(&mut self, cents: i64) -> i64;
}

fn main() {}
