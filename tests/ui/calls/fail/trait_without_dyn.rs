//! A contract is named with `dyn`.
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

#[entity]
pub trait Bank {
    #[message]
    fn deposit(&mut self, cents: i64) -> i64;
}

fn handle(cluster: &Cluster) {
    let _ = cluster.get::<Bank>("a");
}

fn main() {}
