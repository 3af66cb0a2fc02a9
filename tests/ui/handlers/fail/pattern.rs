//! An argument without a name.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    fn deposit(&mut self, (cents, _): (i64, u8)) {
        self.cents += cents;
    }
}

fn main() {}
