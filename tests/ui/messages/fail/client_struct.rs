//! A message that would have the name of the client.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    fn client(&self) -> String {
        String::new()
    }
}

fn main() {}
