//! A result has one shape.
use cluster::prelude::*;

#[derive(Default)]
struct Order;

#[workflow(name = "order", version = 1)]
impl Order {
    #[run]
    async fn run(&self) -> u32 {
        1
    }

    #[step]
    async fn charge<T: Send>(&self, card: T) {
        drop(card);
    }
}

fn main() {}
