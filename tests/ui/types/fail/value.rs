//! The value of a `Result` that serde does not know.
use cluster::prelude::*;

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
    fn last(&self) -> Result<Option<Order>, String> {
        Ok(Some(Order { pieces: 1 }))
    }
}

fn main() {}
