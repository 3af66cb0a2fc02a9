//! The body of a workflow replies when it returns.
use cluster::prelude::*;

#[derive(Default)]
struct Order;

#[workflow(name = "order", version = 1)]
impl Order {
    #[run]
    async fn run(&self, _ctx: &Workflow) -> Later<u32> {
        Later::now(1)
    }
}

fn main() {}
