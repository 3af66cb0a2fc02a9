//! A message is a method.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    const LIMIT: i64 = 5;

    #[message]
    fn cents(&self) -> i64 {
        self.cents.min(Self::LIMIT)
    }
}

fn main() {}
