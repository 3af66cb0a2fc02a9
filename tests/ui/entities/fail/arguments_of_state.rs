//! The mark of the state takes nothing.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    #[state(durable)]
    cents: i64,
}

fn main() {}
