//! A handler that would use its entity up.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    fn close(self) -> i64 {
        self.cents
    }
}

fn main() {}
