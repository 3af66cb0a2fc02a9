//! A handler that says how long it borrows.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    fn cents(&'static self) -> i64 {
        self.cents
    }
}

fn main() {}
