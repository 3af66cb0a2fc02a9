//! A stream ends with its reader.

use std::future::IntoFuture;

use cluster::prelude::*;
use futures_util::stream::{self, StreamExt};

use crate::stage::Stage;
use crate::support::{poll_once, soon, until};

#[derive(Entity)]
struct Feed {
    stage: Stage,
}

#[entity]
impl Feed {
    /// A few chunks, and then it waits for something that never comes.
    #[message(stream)]
    fn endless(&self) -> impl Stream<Item = u32> + use<> {
        let held = self.stage.note_on_drop("ended");
        stream::iter(0..3).chain(stream::pending()).inspect(move |_| _ = &held)
    }

    #[message(stream)]
    fn hot(&self) -> impl Stream<Item = u32> + use<> {
        let hot = Hot;
        stream::iter(0..3).inspect(move |_| _ = &hot)
    }

    /// Waits for the test before it opens.
    #[message(stream)]
    async fn opens(&self) -> impl Stream<Item = u32> + use<> {
        let held = self.stage.note_on_drop("ended");
        self.stage.pause().await;
        stream::pending().inspect(move |_| _ = &held)
    }
}

/// Cannot be dropped without a panic.
struct Hot;

impl Drop for Hot {
    fn drop(&mut self) {
        panic!("dropped while it was hot");
    }
}

async fn start(stage: &Stage) -> (Cluster, FeedClient) {
    let stage = stage.clone();
    let builder = Cluster::builder().entity_with::<Feed>(move |_| Feed { stage: stage.clone() });
    let cluster = builder.start().await.unwrap();
    let feed = cluster.get::<Feed>("f");
    (cluster, feed)
}

// Unread, in the midst of its chunks, and waiting for one.
// proves: B74
#[tokio::test]
async fn the_handler_s_stream_is_gone_when_its_reader_is() {
    let stage = Stage::default();
    let (cluster, feed) = start(&stage).await;
    for read in 0..=3 {
        let mut chunks = feed.endless().await.unwrap();
        for _ in 0..read {
            soon(chunks.next()).await.unwrap().unwrap();
        }
        if read == 3 {
            assert!(poll_once(&mut Box::pin(chunks.next())).await.is_pending());
        }
        assert_eq!((stage.notes().len(), cluster.stats().open_streams), (read, 1));
        drop(chunks);
        assert_eq!((stage.notes().len(), cluster.stats().open_streams), (read + 1, 0));
    }
}

// Whoever gives up while it opens ends it too: before the handler has returned, or just after.
// proves: B74
#[tokio::test]
async fn a_stream_that_nobody_waits_for_any_more_does_not_open() {
    let stage = Stage::default();
    let (cluster, feed) = start(&stage).await;
    let mut opening = feed.opens().into_future();
    assert!(poll_once(&mut opening).await.is_pending());
    stage.arrived(1).await;
    drop(opening);
    stage.noted(1).await;

    let mut opening = feed.opens().into_future();
    assert!(poll_once(&mut opening).await.is_pending());
    stage.arrived(1).await;
    stage.let_on(1);
    until(|| cluster.stats().open_streams == 1).await;
    drop(opening);
    stage.noted(2).await;
    assert_eq!(cluster.stats().open_streams, 0);
}

// The reader cannot help it, and the entity goes on.
#[tokio::test]
async fn a_panic_of_what_is_dropped_with_a_stream_is_not_the_reader_s() {
    let (cluster, feed) = start(&Stage::default()).await;
    drop(feed.hot().await.unwrap());
    let read = feed.hot().await.unwrap();
    assert_eq!(read.count().await, 3);
    assert_eq!(cluster.stats().open_streams, 0);
    drop(feed.endless().await.unwrap());
    soon(cluster.shutdown()).await.unwrap();
}

// proves: B74
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_dropped_streams_leave_nothing() {
    let stage = Stage::default();
    let (cluster, feed) = start(&stage).await;
    drop(feed.endless().await.unwrap());
    let (tasks, holders) = (live_tasks(), stage.holders());
    let mut open = Vec::new();
    for number in 0..10_000 {
        let mut chunks = feed.endless().await.unwrap();
        for _ in 0..number % 4 {
            chunks.next().await.unwrap().unwrap();
        }
        open.push(chunks);
    }
    assert_eq!(cluster.stats().open_streams, 10_000);
    drop(open);
    assert_eq!((cluster.stats().open_streams, stage.holders()), (0, holders));
    assert!(live_tasks() <= tasks, "{} tasks, {tasks} before", live_tasks());
    // The entity is idle again: a shutdown does not wait for anybody.
    soon(cluster.shutdown()).await.unwrap();
}

fn live_tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}
