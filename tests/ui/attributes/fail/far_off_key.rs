//! A key that is like no other: only the list is given.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message(retries = 5)]
    fn deposit(&mut self, cents: i64) {
        self.cents += cents;
    }
}

fn main() {}
