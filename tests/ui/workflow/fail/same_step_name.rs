//! Steps are told apart by their stored names.
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
    async fn charge(&self) {}

    #[step(name = "charge")]
    async fn charge_again(&self) {}
}

fn main() {}
