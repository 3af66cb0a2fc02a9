//! Streams and handlers that wait for each other.

use cluster::prelude::*;
use futures_util::stream::{self, StreamExt};

use crate::support::soon;

/// Reads the stream of another node, or lets its own be read.
#[derive(Entity, Default)]
struct Node {
    touched: u32,
}

#[entity]
impl Node {
    #[message]
    fn touch(&mut self) -> u32 {
        self.touched += 1;
        self.touched
    }

    /// Touches a node before each chunk.
    #[message(stream)]
    fn touches(
        &self,
        ctx: &Context,
        node: String,
    ) -> impl Stream<Item = Result<u32, CallError<()>>> + use<> {
        let node = ctx.get::<Node>(node);
        stream::repeat(node).then(|node| async move { Ok(node.touch().await?) }).take(2)
    }

    /// Reads the stream of `source`, which touches `touched`.
    #[message]
    async fn read(
        &mut self,
        ctx: &Context,
        source: String,
        touched: String,
    ) -> Result<u32, CallError<()>> {
        let mut touches = ctx.get::<Node>(source).touches(touched).await?;
        let mut last = 0;
        while let Some(touch) = touches.next().await {
            last = touch?;
        }
        Ok(last)
    }
}

// The stream has left its handler's turn: it may call its own entity, also where that runs alone.
#[tokio::test]
async fn a_stream_may_call_its_own_entity() {
    let cluster = Cluster::builder().entity::<Node>().start().await.unwrap();
    let node = cluster.get::<Node>("a");
    let touches: Vec<_> = soon(node.touches("a".to_owned()).await.unwrap().collect()).await;
    assert!(matches!(touches[..], [Ok(1), Ok(2)]), "{touches:?}");
}

// The handler waits for the chunk, the chunk for the handler.
#[tokio::test]
async fn a_stream_that_would_wait_for_its_reader_is_refused() {
    let cluster = Cluster::builder().entity::<Node>().start().await.unwrap();
    let reader = cluster.get::<Node>("reader");
    let read = |touched: &str| reader.read("source".to_owned(), touched.to_owned());
    assert_eq!(soon(read("third")).await.unwrap(), 2);
    let error = soon(read("reader")).await.unwrap_err();
    let CallError::Cluster(ClusterError::Reentrant { chain }) = error else { panic!("{error:?}") };
    let chain: Vec<&str> = chain.iter().map(|address| address.entity_id().as_str()).collect();
    assert_eq!(chain, ["reader", "source", "reader"]);
    // The source itself is free while its stream is read.
    assert_eq!(soon(read("source")).await.unwrap(), 2);
}

// Who waits for a stream is who reads it, not who has opened it.
#[tokio::test]
async fn a_stream_may_be_read_by_somebody_else() {
    let cluster = Cluster::builder().entity::<Node>().start().await.unwrap();
    let mut touches = cluster.get::<Node>("a").touches("b".to_owned()).await.unwrap();
    assert!(matches!(touches.next().await, Some(Ok(1))));
    let moved = tokio::spawn(async move { touches.next().await });
    assert!(matches!(soon(moved).await.unwrap(), Some(Ok(2))));
}
