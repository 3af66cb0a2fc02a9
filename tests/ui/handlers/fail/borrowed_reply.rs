//! A reply leaves the entity.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    fn cents(&self) -> &i64 {
        &self.cents
    }
}

fn main() {}
