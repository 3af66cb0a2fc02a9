//! What is a message is said by the contract.
use cluster::prelude::*;

#[entity]
pub trait Bank {
    #[message]
    async fn deposit(&mut self, cents: i64) -> i64;
}

#[derive(Entity, Default)]
struct Account;

#[entity]
impl Bank for Account {
    #[message(persisted)]
    async fn deposit(&mut self, cents: i64) -> i64 {
        cents
    }
}

fn main() {}
