//! A block on a type that is no entity yet.
use cluster::prelude::*;

#[derive(Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    fn cents(&self) -> i64 {
        self.cents
    }
}

fn main() {}
