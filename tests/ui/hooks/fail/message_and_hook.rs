//! A method is one thing.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    #[deactivate]
    fn close(&mut self) {
        self.cents = 0;
    }
}

fn main() {}
