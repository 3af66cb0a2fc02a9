//! What runs is one method.
use cluster::prelude::*;

#[derive(Default)]
struct Order;

#[workflow(name = "order", version = 1)]
impl Order {
    #[run]
    async fn run(&self) -> u32 {
        1
    }

    #[run]
    async fn again(&self) {}
}

fn main() {}
