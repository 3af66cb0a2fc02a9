//! What a step gives is stored.
use cluster::prelude::*;

struct Invoice;

#[derive(Default)]
struct Order;

#[workflow(name = "order", version = 1)]
impl Order {
    #[run]
    async fn run(&self) {
        self.charge().await;
    }

    #[step]
    async fn charge(&self) -> Invoice {
        Invoice
    }
}

fn main() {}
