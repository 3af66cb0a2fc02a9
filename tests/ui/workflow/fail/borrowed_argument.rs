//! A step may be begun later than it is made.
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
    async fn charge(&self, card: &str) {
        let _ = card;
    }
}

fn main() {}
