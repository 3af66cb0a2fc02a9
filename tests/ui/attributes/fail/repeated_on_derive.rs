//! Two attributes behind the derive are read as one.
use cluster::prelude::*;

#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
#[entity(durable, mailbox = 8)]
struct Account {
    cents: i64,
}

fn main() {}
