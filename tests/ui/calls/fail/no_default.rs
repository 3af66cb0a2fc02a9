//! An entity that the cluster cannot make by itself.
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

fn register() {
    let _ = Cluster::builder().entity::<Account>();
}

fn main() {}
