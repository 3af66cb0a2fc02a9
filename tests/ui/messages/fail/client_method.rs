//! A message that would hide what every client has.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    fn clone(&self) -> i64 {
        self.cents
    }
}

fn main() {}
