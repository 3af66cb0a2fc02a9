//! The context is that of a workflow.
use cluster::prelude::*;

#[derive(Default)]
struct Order;

#[workflow(name = "order", version = 1)]
impl Order {
    #[run]
    async fn run(&self, ctx: Workflow) {
        let _ = ctx;
    }
}

fn main() {}
