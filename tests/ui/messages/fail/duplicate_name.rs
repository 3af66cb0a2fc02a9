//! Two messages of one stored name.

// proves: B6
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    fn deposit(&mut self, cents: i64) {
        self.cents += cents;
    }

    #[message(name = "deposit")]
    fn pay_in(&mut self, cents: i64) {
        self.cents += cents;
    }
}

fn main() {}
