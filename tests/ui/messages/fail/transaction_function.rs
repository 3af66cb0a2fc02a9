//! The function that decides takes the arguments by reference.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

fn is_large(cents: i64) -> bool {
    cents > 100
}

#[entity]
impl Account {
    #[message(persisted, transaction = is_large)]
    fn deposit(&mut self, cents: i64) {
        self.cents += cents;
    }
}

fn main() {}
