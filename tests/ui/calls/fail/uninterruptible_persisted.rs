//! Nothing but a cancel ends a persisted request.

// proves: B28
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Order {
    lines: u32,
}

#[entity]
impl Order {
    #[message(persisted)]
    async fn lines(&self) -> u32 {
        self.lines
    }
}

async fn lines(cluster: &Cluster) -> u32 {
    cluster.get::<Order>("a").lines().uninterruptible().await.unwrap()
}

fn main() {}
