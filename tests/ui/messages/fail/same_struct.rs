//! Two methods whose messages would have one name.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    fn pay_in(&mut self, cents: i64) {
        self.cents += cents;
    }

    #[message]
    fn pay__in(&mut self, cents: i64) {
        self.cents += cents;
    }
}

fn main() {}
