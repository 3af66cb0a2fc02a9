//! An entity has one hook of a kind.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[activate]
    async fn open(&mut self) {}

    #[activate]
    async fn also_open(&mut self) {}

    #[message]
    fn cents(&self) -> i64 {
        self.cents
    }
}

fn main() {}
