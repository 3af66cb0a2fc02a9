//! A transaction is decided by a named function.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message(persisted, transaction = |cents| cents > 100)]
    fn deposit(&mut self, cents: i64) {
        self.cents += cents;
    }
}

fn main() {}
