//! A value stands behind an equals sign.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message(timeout("10s"))]
    fn deposit(&mut self, cents: i64) {
        self.cents += cents;
    }
}

fn main() {}
