//! The framework's own name is given as a path.
use cluster::prelude::*;

#[derive(Entity, Default)]
#[entity(crate = "not a path")]
struct Account {
    cents: i64,
}

fn main() {}
