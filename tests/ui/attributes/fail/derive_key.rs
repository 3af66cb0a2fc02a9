//! A key of messages, on the derive.
use cluster::prelude::*;

#[derive(Entity, Default)]
#[entity(timeout = "5m")]
struct Account {
    cents: i64,
}

fn main() {}
