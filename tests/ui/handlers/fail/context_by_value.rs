//! The context is the runtime's.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    fn deposit(&mut self, ctx: Context, cents: i64) {
        let _ = ctx;
        self.cents += cents;
    }
}

fn main() {}
