//! Only keys stand in the parentheses.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message("deposit")]
    fn deposit(&mut self, cents: i64) {
        self.cents += cents;
    }
}

fn main() {}
