//! Executions are found by name and version.
use cluster::prelude::*;

#[derive(Default)]
struct Order;

#[workflow(name = "order")]
impl Order {
    #[run]
    async fn run(&self) -> u32 {
        1
    }
}

fn main() {}
