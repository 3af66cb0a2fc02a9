//! A handler with a lifetime of its own.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    fn deposit<'a>(&mut self, cents: i64) {
        self.cents += cents;
    }
}

fn main() {}
