//! The state is what is stored.

// proves: B8
use cluster::prelude::*;

#[derive(Default)]
struct Balance {
    cents: i64,
}

#[derive(Entity, Default)]
struct Account {
    #[state]
    balance: Balance,
}

fn main() {}
