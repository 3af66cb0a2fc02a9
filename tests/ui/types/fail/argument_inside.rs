//! What is inside of an argument must be known too.
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
    async fn place(&mut self, note: String, orders: Vec<Order>) {
        let _ = note;
        self.cents += orders.iter().map(|order| i64::from(order.pieces)).sum::<i64>();
    }
}

fn main() {}
