//! A mailbox of no size could hold nothing.
use cluster::prelude::*;

#[derive(Entity, Default)]
#[entity(mailbox = 0)]
struct Account {
    cents: i64,
}

fn main() {}
