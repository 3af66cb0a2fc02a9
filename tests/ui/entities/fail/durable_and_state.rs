//! Everything is stored, or one field.
use cluster::prelude::*;

#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
struct Account {
    #[state]
    cents: i64,
    owner: String,
}

fn main() {}
