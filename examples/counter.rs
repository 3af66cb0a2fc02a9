//! The smallest program: one entity, one process, one file. Run it twice: it goes on counting.
#![allow(clippy::print_stdout)] // A program for a terminal.

use cluster::prelude::*;

#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
struct Counter {
    value: i64,
}

#[entity]
impl Counter {
    /// Adds `amount` and returns the new value.
    #[message(persisted)]
    fn increment(&mut self, amount: i64) -> i64 {
        self.value += amount;
        self.value
    }

    /// The value as last committed.
    #[message]
    fn value(&self) -> i64 {
        self.value
    }
}

#[tokio::main]
async fn main() -> cluster::Result<()> {
    let cluster = Cluster::builder()
        .storage(Sqlite::open("counter.db").await?)
        .entity::<Counter>()
        .start()
        .await?;

    let counter = cluster.get::<Counter>("counter-1");
    println!("after increment: {}", counter.increment(5).await?);
    println!("current value:   {}", counter.value().await?);

    cluster.shutdown().await
}
