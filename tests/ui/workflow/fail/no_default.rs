//! What the cluster cannot make needs a factory.
use cluster::prelude::*;

struct Order {
    rate: u32,
}

#[workflow(name = "order", version = 1)]
impl Order {
    #[run]
    async fn run(&self) -> u32 {
        self.rate
    }
}

fn main() {
    let _ = Cluster::builder().workflow::<Order>();
}
