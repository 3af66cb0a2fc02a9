//! Versions begin with one.
use cluster::prelude::*;

#[derive(Default)]
struct Order;

#[workflow(name = "order", version = 0)]
impl Order {
    #[run]
    async fn run(&self) -> u32 {
        1
    }
}

fn main() {}
