//! One field is the state.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    #[state]
    cents: i64,
    #[state]
    owner: String,
}

fn main() {}
