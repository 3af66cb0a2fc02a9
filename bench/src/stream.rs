//! Chunks: `stream`, `stream-persisted`.

use std::ops::RangeFrom;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use bench_kit::drive::{Source, read};
use bench_kit::{Case, Run, lane};
use cluster::Chunks;
use cluster::prelude::*;

use crate::SYSTEM;

#[derive(Entity, Default)]
struct Counter;

#[entity]
impl Counter {
    #[message(stream)]
    fn numbers(&self) -> impl Stream<Item = u64> + use<> {
        Numbers(0..)
    }

    #[message(persisted, stream)]
    fn stored(&self) -> impl Stream<Item = u64> + use<> {
        Numbers(0..)
    }
}

/// Has its next number at once.
struct Numbers(RangeFrom<u64>);

impl Stream for Numbers {
    type Item = u64;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Option<u64>> {
        Poll::Ready(self.0.next())
    }
}

struct Volatile(Chunks<CounterNumbers>);

impl Source for Volatile {
    async fn next(&mut self) -> u64 {
        let chunk = self.0.next().await;
        chunk.expect("it has no end").expect("the cluster runs")
    }
}

struct Persisted(Chunks<CounterStored>);

impl Source for Persisted {
    async fn next(&mut self) -> u64 {
        let chunk = self.0.next().await;
        chunk.expect("it has no end").expect("the storage works")
    }
}

/// The cases of this family.
pub(crate) fn cases() -> Vec<Case> {
    let sqlite = Case::durable(lane::STREAM_PERSISTED, SYSTEM, "sqlite", |bench| {
        let file = bench.fresh_file("stream.db");
        bench.block_on(async move {
            stored(Sqlite::open(file).await.expect("the bench's folder is writable")).await
        })
    });
    let memory = Case::volatile(lane::STREAM_PERSISTED, SYSTEM, |bench| {
        bench.block_on(stored(MemoryStorage::default()))
    });
    vec![
        Case::volatile(lane::STREAM, SYSTEM, |bench| bench.block_on(chunks())),
        sqlite,
        memory.on("memory"),
    ]
}

async fn chunks() -> Run {
    let cluster = Cluster::builder().entity::<Counter>().start().await.expect("memory works");
    let chunks = cluster.get::<Counter>("c").numbers().await.expect("the cluster runs");
    let run = read(&lane::STREAM, Volatile(chunks)).await;
    cluster.shutdown().await.expect("memory works");
    run
}

/// The stream is still being made when enough was read: the cluster is dropped and not shut down,
/// or the shutdown would wait for it.
async fn stored(storage: impl Storage) -> Run {
    let builder = Cluster::builder().storage(storage).entity::<Counter>();
    let cluster = builder.start().await.expect("the storage is new");
    let chunks = cluster.get::<Counter>("c").stored().await.expect("the storage works");
    read(&lane::STREAM_PERSISTED, Persisted(chunks)).await
}
