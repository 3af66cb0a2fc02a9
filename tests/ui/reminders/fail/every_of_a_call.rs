//! Who calls an entity cannot have it called again and again.

// proves: B82
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Clock;

#[entity]
impl Clock {
    #[message(persisted)]
    fn ring(&mut self) {}
}

async fn wind(cluster: &Cluster) {
    let _ = cluster.get::<Clock>("a").ring().every(Duration::from_secs(60)).send().await;
}

fn main() {}
