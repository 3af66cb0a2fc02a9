//! An argument without a type.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    fn deposit(&mut self, cents: impl Into<i64>) {
        self.cents += cents.into();
    }
}

fn main() {}
