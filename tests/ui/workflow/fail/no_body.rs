//! Nothing is marked as what runs.
use cluster::prelude::*;

#[derive(Default)]
struct Order;

#[workflow(name = "order", version = 1)]
impl Order {
    async fn run(&self) {}
}

fn main() {}
