//! What a step gives is stored.
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
    async fn charge(&self) -> &str {
        ""
    }
}

fn main() {}
