//! A step waits for what comes before it.
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
    fn charge(&self) {}
}

fn main() {}
