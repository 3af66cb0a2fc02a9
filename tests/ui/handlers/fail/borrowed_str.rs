//! A borrowed argument: the owned type is named.

// proves: B6
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    fn rename(&mut self, name: &str) {
        let _ = name;
    }
}

fn main() {}
