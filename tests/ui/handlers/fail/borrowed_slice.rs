//! A borrowed slice, inside of another type.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    fn sort(&mut self, all: Option<&[u64]>) {
        let _ = all;
    }
}

fn main() {}
