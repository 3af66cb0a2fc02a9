//! There is one context.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    fn deposit(&mut self, ctx: &Context, cents: i64, again: &Context) {
        let _ = (ctx, again);
        self.cents += cents;
    }
}

fn main() {}
