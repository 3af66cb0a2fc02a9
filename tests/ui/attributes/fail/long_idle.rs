//! A hundred years are long enough.
use cluster::prelude::*;

#[derive(Entity, Default)]
#[entity(idle = "40000d")]
struct Account {
    cents: i64,
}

fn main() {}
