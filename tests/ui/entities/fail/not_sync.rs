//! An entity is shared between threads.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: std::cell::Cell<i64>,
}

fn main() {}
