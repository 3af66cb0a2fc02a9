//! A contract says what, not how.
use cluster::prelude::*;

#[entity]
pub trait Bank {
    #[message]
    async fn deposit(&mut self, cents: i64) -> i64 {
        cents
    }
}

fn main() {}
