//! A transaction commits with an outcome.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message(transaction)]
    fn deposit(&mut self, cents: i64) {
        self.cents += cents;
    }
}

fn main() {}
