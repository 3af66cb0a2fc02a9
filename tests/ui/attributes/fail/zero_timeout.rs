//! A call with no time at all could never succeed.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message(timeout = "0s")]
    fn deposit(&mut self, cents: i64) {
        self.cents += cents;
    }
}

fn main() {}
