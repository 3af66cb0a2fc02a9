//! A type that does not exist.
use cluster::prelude::*;

#[derive(Serialize, Deserialize)]
struct Order {
    pieces: u32,
}

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    fn last(&self) -> Odrer {
        Order { pieces: 1 }
    }
}

fn main() {}
