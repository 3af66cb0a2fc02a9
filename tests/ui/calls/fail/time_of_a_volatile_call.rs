//! What is not stored cannot wait for its time.

// proves: B19
use cluster::prelude::*;

#[derive(Entity)]
struct Order {
    lines: usize,
}

#[entity]
impl Order {
    #[message]
    fn lines(&self) -> usize {
        self.lines
    }
}

async fn read(cluster: &Cluster) {
    let _ = cluster.get::<Order>("a").lines().after(Duration::from_secs(1)).await;
    let _ = cluster.get::<Order>("a").lines().at(std::time::SystemTime::UNIX_EPOCH).await;
}

fn main() {}
