//! Two messages of one stored name under one condition, which does not even hold.

// proves: B6
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[cfg(any())]
    #[message]
    fn credit(&mut self, cents: i64) {
        self.cents += cents;
    }

    #[cfg(any())]
    #[message(name = "credit")]
    fn pay_in(&mut self, cents: i64) {
        self.cents += cents;
    }
}

fn main() {}
