//! What happens on a panic is one of two words.
use cluster::prelude::*;

#[derive(Entity, Default)]
#[entity(on_panic = "ignore")]
struct Account {
    cents: i64,
}

fn main() {}
