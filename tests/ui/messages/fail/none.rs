//! A block without messages.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    fn cents(&self) -> i64 {
        self.cents
    }
}

fn main() {}
