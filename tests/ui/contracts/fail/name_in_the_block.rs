//! The stored name is the contract's.
use cluster::prelude::*;

#[entity]
pub trait Bank {
    #[message]
    async fn deposit(&mut self, cents: i64) -> i64;
}

#[derive(Entity, Default)]
struct Account;

#[entity(name = "account")]
impl Bank for Account {
    async fn deposit(&mut self, cents: i64) -> i64 {
        cents
    }
}

fn main() {}
