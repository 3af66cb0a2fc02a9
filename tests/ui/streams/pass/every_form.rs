//! Everything that a stream's handler may be, and what its reader gets.
#![deny(warnings)]
use std::future::IntoFuture;

use cluster::prelude::*;
use cluster::testing::TestCluster;
use futures_util::stream::{self, StreamExt};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Closed;

pub type LineResult<T> = Result<T, Closed>;

#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
pub struct Log {
    lines: Vec<String>,
}

#[entity]
impl Log {
    #[message(persisted)]
    fn write(&mut self, line: String) {
        self.lines.push(line);
    }

    /// All lines.
    #[message(stream)]
    pub fn lines(&self) -> impl Stream<Item = String> + use<> {
        stream::iter(self.lines.clone())
    }

    #[message(stream, timeout = "10s", name = "from", tag = 0x17)]
    pub(crate) async fn lines_from(
        &self,
        ctx: &Context,
        at: usize,
    ) -> impl Stream<Item = Result<String, Closed>> + Send + use<> {
        assert_eq!(ctx.message(), "from");
        tokio::task::yield_now().await;
        stream::iter(self.lines[at..].to_vec()).map(Ok).chain(stream::iter([Err(Closed)]))
    }

    #[message(stream)]
    fn aliased(&self) -> impl use<> + futures_util::Stream<Item = LineResult<String>> {
        stream::iter(self.lines.clone()).map(Ok)
    }

    #[message(stream)]
    fn lifted(&self) -> impl Stream<Item = Result<u8, CallError<Closed>>> + use<> {
        stream::iter([Ok(1), Err(CallError::Cluster(ClusterError::Interrupted)), Ok(2)])
    }
}

/// Nothing of it is stored.
#[derive(Entity, Default)]
struct Numbers {
    asked: u64,
}

#[entity]
impl Numbers {
    #[message(stream)]
    fn up_to(&mut self, end: u64) -> impl Stream<Item = u64> + use<> {
        self.asked += 1;
        stream::iter(self.asked..end)
    }

    #[message(stream)]
    async fn down_from(&mut self, start: u64) -> impl Stream<Item = u64> + use<> {
        stream::iter((0..start).rev())
    }
}

/// A contract with streams.
#[entity]
trait Feed {
    #[message(stream)]
    fn items(&self, count: u8) -> impl Stream<Item = u8>;

    #[message(stream)]
    async fn later(&self) -> impl Stream<Item = Result<u8, Closed>>;
}

#[derive(Entity, Default)]
struct Wire;

#[entity]
impl Feed for Wire {
    fn items(&self, count: u8) -> impl Stream<Item = u8> + use<> {
        stream::iter(0..count)
    }

    async fn later(&self) -> impl Stream<Item = Result<u8, Closed>> + use<> {
        tokio::task::yield_now().await;
        stream::iter([Ok(1), Err(Closed)])
    }
}

async fn read() {
    let cluster =
        TestCluster::new().entity::<Log>().entity::<Numbers>().entity::<Wire>().start().await;
    let log = cluster.get::<Log>("l");
    for line in ["a", "b", "c"] {
        log.write(line.to_owned()).await.unwrap();
    }
    let lines: Vec<Result<String, ClusterError>> = log.lines().await.unwrap().collect().await;
    assert_eq!(lines.into_iter().map(Result::unwrap).collect::<Vec<_>>(), ["a", "b", "c"]);

    let call = log.lines_from(2).header("a", "1").inherited_header("b", "2");
    let call = call.timeout(Duration::from_secs(1));
    assert_eq!(format!("{call:?}"), "StreamCall(Handle(Log/l), from)");
    let mut lines = call.into_future().await.unwrap();
    assert_eq!(format!("{lines:?}"), "Chunks(from, open)");
    assert_eq!(lines.next().await.unwrap().unwrap(), "c");
    assert!(matches!(lines.next().await, Some(Err(CallError::Entity(Closed)))));
    assert!(lines.next().await.is_none());
    assert_eq!(format!("{lines:?}"), "Chunks(from, ended)");

    assert_eq!(log.aliased().await.unwrap().count().await, 3);
    let lifted: Vec<_> = log.lifted().await.unwrap().collect().await;
    assert!(matches!(lifted[..], [Ok(1), Err(CallError::Cluster(ClusterError::Interrupted))]));

    let numbers = cluster.get::<Numbers>("n");
    assert_eq!(numbers.up_to(4).await.unwrap().count().await, 3);
    assert_eq!(numbers.up_to(4).await.unwrap().count().await, 2);
    assert_eq!(numbers.down_from(4).await.unwrap().count().await, 4);

    let feed = cluster.get::<dyn Feed>("f");
    assert_eq!(feed.items(3).await.unwrap().count().await, 3);
    let later: Vec<_> = feed.later().await.unwrap().collect().await;
    assert!(matches!(later[..], [Ok(1), Err(CallError::Entity(Closed))]));

    // A plain method on a plain value.
    let lines: Vec<String> = Log { lines: vec!["x".to_owned()] }.lines().collect().await;
    assert_eq!(lines, ["x"]);
}

pub(crate) fn main() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(read());
}
