//! A union does not know what it holds.
use cluster::prelude::*;

#[derive(Entity)]
union Account {
    cents: i64,
    dollars: i64,
}

fn main() {}
