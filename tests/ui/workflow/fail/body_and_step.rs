//! A method is one of both.
use cluster::prelude::*;

#[derive(Default)]
struct Order;

#[workflow(name = "order", version = 1)]
impl Order {
    #[run]
    #[step]
    async fn run(&self) {}
}

fn main() {}
