//! Chunks: `stream`.

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
}

/// Has its next number at once.
struct Numbers(RangeFrom<u64>);

impl Stream for Numbers {
    type Item = u64;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Option<u64>> {
        Poll::Ready(self.0.next())
    }
}

struct Reader(Chunks<CounterNumbers>);

impl Source for Reader {
    async fn next(&mut self) -> u64 {
        let chunk = self.0.next().await;
        chunk.expect("it has no end").expect("the cluster runs")
    }
}

/// The cases of this family.
pub(crate) fn cases() -> Vec<Case> {
    vec![Case::volatile(lane::STREAM, SYSTEM, |bench| bench.block_on(chunks()))]
}

async fn chunks() -> Run {
    let cluster = Cluster::builder().entity::<Counter>().start().await.expect("memory works");
    let chunks = cluster.get::<Counter>("c").numbers().await.expect("the cluster runs");
    let run = read(&lane::STREAM, Reader(chunks)).await;
    cluster.shutdown().await.expect("memory works");
    run
}
