//! A tag is a number of 64 bits.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message(tag = -1)]
    fn deposit(&mut self, cents: i64) {
        self.cents += cents;
    }
}

fn main() {}
