//! A stream's handler that returns all at once.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message(stream)]
    fn cents(&self) -> Vec<i64> {
        vec![self.cents]
    }
}

fn main() {}
