//! A handle to something that is no entity.
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

fn handle(cluster: &Cluster) {
    let _ = cluster.get::<String>("a");
}

fn main() {}
