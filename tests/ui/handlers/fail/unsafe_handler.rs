//! A handler that not everybody may call.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    unsafe fn deposit(&mut self, cents: i64) {
        self.cents += cents;
    }
}

fn main() {}
