//! A key that is given twice.

// proves: B7
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message(persisted, timeout = "1s", timeout = "2s")]
    fn deposit(&mut self, cents: i64) {
        self.cents += cents;
    }
}

fn main() {}
