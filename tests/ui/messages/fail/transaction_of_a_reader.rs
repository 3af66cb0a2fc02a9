//! A transaction commits with the state.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message(persisted, transaction)]
    fn cents(&self) -> i64 {
        self.cents
    }
}

fn main() {}
