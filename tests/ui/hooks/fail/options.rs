//! A hook has no options.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[activate(timeout = "5s")]
    async fn open(&mut self) {}

    #[message]
    fn cents(&self) -> i64 {
        self.cents
    }
}

fn main() {}
