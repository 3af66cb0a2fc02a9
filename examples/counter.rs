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
    #[message(persisted)]
    fn increment(&mut self, amount: i64) -> i64 {
        self.value += amount;
        self.value
    }

    #[message]
    fn value(&self) -> i64 {
        self.value
    }
}

#[tokio::main]
async fn main() -> cluster::Result<()> {
    let storage = Sqlite::open("counter.db").await?;
    let cluster = Cluster::builder().storage(storage).entity::<Counter>().start().await?;
    let counter = cluster.get::<Counter>("counter-1");
    println!("added: {}, read: {}", counter.increment(5).await?, counter.value().await?);
    cluster.shutdown().await
}
