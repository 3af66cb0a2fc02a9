//! The client takes what the handler takes.
use cluster::prelude::*;

#[derive(Entity)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message]
    fn cents(&self) -> i64 {
        self.cents
    }
}

async fn read(cluster: &Cluster) {
    let _ = cluster.get::<Account>("a").cents(5).await;
}

fn main() {}
