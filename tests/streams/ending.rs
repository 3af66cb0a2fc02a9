//! The end of a cluster is the end of its streams.

use cluster::prelude::*;
use cluster::time::Clock;
use futures_util::stream::{self, StreamExt};

use crate::stage::Stage;
use crate::support::{poll_once, soon, until};

#[derive(Entity)]
struct Feed {
    stage: Stage,
}

#[entity]
impl Feed {
    #[message(stream)]
    fn some_and_wait(&self) -> impl Stream<Item = u32> + use<> {
        let held = self.stage.note_on_drop("ended");
        stream::iter(0..3).chain(stream::pending()).inspect(move |_| _ = &held)
    }

    #[message(stream)]
    fn some(&self) -> impl Stream<Item = u32> + use<> {
        stream::iter(0..3)
    }

    /// Calls another entity before each of its chunks.
    #[message(stream)]
    fn asking(&self, ctx: &Context) -> impl Stream<Item = Result<u32, CallError<()>>> + use<> {
        let other = ctx.get::<Feed>("other");
        stream::iter(0..3).then(move |_| {
            let other = other.clone();
            async move { Ok(other.five().await?) }
        })
    }

    #[message]
    fn five(&self) -> u32 {
        5
    }
}

const LIMIT: Duration = Duration::from_millis(300);

async fn start(stage: &Stage, limit: Duration) -> (Cluster, FeedClient) {
    let stage = stage.clone();
    let builder = Cluster::builder().config(|config| config.drain_limit = limit);
    let builder = builder.entity_with::<Feed>(move |_| Feed { stage: stage.clone() });
    let cluster = builder.start().await.unwrap();
    let feed = cluster.get::<Feed>("f");
    (cluster, feed)
}

fn is_shutting_down(chunk: Option<Result<u32, ClusterError>>) -> bool {
    matches!(chunk, Some(Err(ClusterError::ShuttingDown)))
}

// Three readers: one that never looks, one that has stopped, and one that waits for a chunk.
// proves: B77
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unread_stream_holds_a_shutdown_up_for_no_longer_than_its_limit() {
    let stage = Stage::default();
    let (cluster, feed) = start(&stage, LIMIT).await;
    let mut unread = feed.some_and_wait().await.unwrap();
    let mut stopped = feed.some_and_wait().await.unwrap();
    stopped.next().await.unwrap().unwrap();
    let mut waits = feed.some_and_wait().await.unwrap();
    for _ in 0..3 {
        waits.next().await.unwrap().unwrap();
    }
    let waits = tokio::spawn(async move { (waits.next().await, waits.next().await) });

    let clock = Clock::system();
    let before = clock.now();
    soon(cluster.shutdown()).await.unwrap();
    let took = clock.now() - before;
    assert!(took >= LIMIT && took < LIMIT + Duration::from_secs(5), "{took:?}");
    // Nothing of the handlers is left, though two readers still hold their ends.
    assert_eq!(stage.notes().len(), 3);
    assert_eq!(cluster.stats().open_streams, 0);

    let (chunk, end) = soon(waits).await.unwrap();
    assert!(is_shutting_down(chunk) && end.is_none());
    for chunks in [&mut unread, &mut stopped] {
        assert!(is_shutting_down(soon(chunks.next()).await));
        assert!(soon(chunks.next()).await.is_none());
    }
    let late = feed.some().await.unwrap_err();
    assert!(matches!(late, ClusterError::ShuttingDown), "{late:?}");
}

// A reader that goes on reads its stream to the end, calls of its handler included, and the
// shutdown ends with it.
// proves: B77
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_read_comes_to_its_end_in_a_shutdown() {
    let stage = Stage::default();
    let (cluster, feed) = start(&stage, Duration::from_secs(3_600)).await;
    let mut asking = feed.asking().await.unwrap();
    assert_eq!(asking.next().await.unwrap().unwrap(), 5);
    let shutdown = tokio::spawn({
        let cluster = cluster.clone();
        async move { cluster.shutdown().await }
    });
    until(|| cluster.is_shutting_down()).await;
    assert_eq!(soon(asking.next()).await.unwrap().unwrap(), 5);
    assert!(!shutdown.is_finished());
    assert_eq!(soon(asking.next()).await.unwrap().unwrap(), 5);
    assert!(soon(asking.next()).await.is_none());
    soon(shutdown).await.unwrap().unwrap();
}

// The cluster is dropped as a process that is killed: nobody waits for anything.
#[tokio::test]
async fn a_dropped_cluster_ends_its_streams_at_once() {
    let stage = Stage::default();
    let (cluster, feed) = start(&stage, LIMIT).await;
    let mut chunks = feed.some_and_wait().await.unwrap();
    for _ in 0..3 {
        chunks.next().await.unwrap().unwrap();
    }
    let mut next = Box::pin(chunks.next());
    assert!(poll_once(&mut next).await.is_pending());
    drop((cluster, feed));
    assert_eq!(stage.notes().len(), 1);
    assert!(is_shutting_down(soon(next).await));
}
