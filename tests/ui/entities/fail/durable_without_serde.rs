//! A durable struct is the state itself.

// proves: B8
use cluster::prelude::*;

#[derive(Entity, Default)]
#[entity(durable)]
struct Account {
    cents: i64,
}

fn main() {}
