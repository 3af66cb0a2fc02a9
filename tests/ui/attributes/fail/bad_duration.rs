//! A duration is a whole number and its unit.

// proves: B7
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message(timeout = "10 seconds")]
    fn deposit(&mut self, cents: i64) {
        self.cents += cents;
    }
}

fn main() {}
