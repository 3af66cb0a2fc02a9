//! A handler of many types.

// proves: B6
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    fn deposit<N: Into<i64>>(&mut self, cents: N) {
        self.cents += cents.into();
    }
}

fn main() {}
