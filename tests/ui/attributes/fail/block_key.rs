//! A key of the derive, on the block.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity(durable)]
impl Account {
    #[message]
    fn deposit(&mut self, cents: i64) {
        self.cents += cents;
    }
}

fn main() {}
