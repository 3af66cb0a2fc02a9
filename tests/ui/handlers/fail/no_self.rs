//! A function that belongs to no entity.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    fn fee(cents: i64) -> i64 {
        cents / 100
    }
}

fn main() {}
