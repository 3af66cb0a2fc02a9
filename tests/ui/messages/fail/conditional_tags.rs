//! Two messages of one tag, of which each has a condition, and both conditions hold.

// proves: B6
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[cfg(not(any()))]
    #[message(persisted, tag = 0x17)]
    fn credit(&mut self, cents: i64) {
        self.cents += cents;
    }

    #[cfg(all())]
    #[message(persisted, tag = 0x17)]
    fn debit(&mut self, cents: i64) {
        self.cents -= cents;
    }
}

fn main() {}
