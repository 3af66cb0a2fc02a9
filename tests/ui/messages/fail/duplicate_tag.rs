//! Two messages of one tag.

// proves: B6
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message(tag = 0x17)]
    fn deposit(&mut self, cents: i64) {
        self.cents += cents;
    }

    #[message(tag = 23)]
    fn withdraw(&mut self, cents: i64) {
        self.cents -= cents;
    }
}

fn main() {}
