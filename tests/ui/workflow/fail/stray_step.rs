//! Steps belong to a workflow.
use cluster::prelude::*;

struct Order;

impl Order {
    #[step]
    async fn charge(&self) {}
}

fn main() {}
