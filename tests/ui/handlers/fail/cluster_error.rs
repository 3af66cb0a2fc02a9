//! Trouble of the cluster is no outcome.
use cluster::prelude::*;

#[derive(Entity, Default)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message(persisted)]
    async fn deposit(&mut self, cents: i64) -> Result<(), ClusterError> {
        self.cents += cents;
        Ok(())
    }
}

fn main() {}
