//! Steps have few keys yet.
use cluster::prelude::*;

#[derive(Default)]
struct Order;

#[workflow(name = "order", version = 1)]
impl Order {
    #[run]
    async fn run(&self) -> u32 {
        1
    }

    #[step(nane = "charge")]
    async fn charge(&self) {}
}

fn main() {}
