//! A stored name is never empty.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message(name = "")]
    fn deposit(&mut self, cents: i64) {
        self.cents += cents;
    }
}

fn main() {}
