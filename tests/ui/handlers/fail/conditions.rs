//! A handler that is not always there.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    fn deposit(&mut self, cents: i64)
    where
        i64: Copy,
    {
        self.cents += cents;
    }
}

fn main() {}
