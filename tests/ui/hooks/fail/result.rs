//! Nobody is there who could use what a hook returns.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[deactivate]
    fn close(&mut self) -> i64 {
        self.cents
    }

    #[message]
    fn cents(&self) -> i64 {
        self.cents
    }
}

fn main() {}
