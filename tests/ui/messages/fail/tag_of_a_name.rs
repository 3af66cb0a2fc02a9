//! A tag that is the hash of another message's name.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    fn deposit(&mut self, cents: i64) {
        self.cents += cents;
    }

    #[message(tag = 0xcd88e30faaa14e24)]
    fn withdraw(&mut self, cents: i64) {
        self.cents -= cents;
    }
}

fn main() {}
