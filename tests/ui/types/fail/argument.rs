//! An argument that serde does not know.

// proves: B5
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
    fn place(&mut self, order: Order) {
        self.cents += i64::from(order.pieces);
    }
}

fn main() {}
