//! The stream of a durable entity shows nothing that a crash can undo.

use std::future::IntoFuture;

use cluster::prelude::*;
use futures_util::stream;

use crate::support::{Bed, backends, poll_once, refused, soon};

#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
struct Ledger {
    entries: Vec<i64>,
}

#[entity]
impl Ledger {
    #[message]
    fn enter(&mut self, cents: i64) {
        self.entries.push(cents);
    }

    #[message(stream)]
    fn entries(&self) -> impl Stream<Item = i64> + use<> {
        stream::iter(self.entries.clone())
    }
}

async fn read(mut chunks: cluster::Chunks<LedgerEntries>) -> Vec<i64> {
    let mut entries = Vec::new();
    while let Some(entry) = soon(chunks.next()).await {
        entries.push(entry.unwrap());
    }
    entries
}

async fn a_stream_opens_when_what_its_handler_read_is_durable(bed: Bed) {
    let configure = |builder: cluster::ClusterBuilder| {
        builder.config(|config| config.commit_attempts = 1).entity::<Ledger>()
    };
    let cluster = bed.start(configure).await;
    let ledger = cluster.get::<Ledger>("l");
    ledger.enter(1).await.unwrap();

    bed.door.hold_commits();
    // Nothing is under way: it opens though commits would have to wait.
    assert_eq!(read(soon(ledger.entries()).await.unwrap()).await, [1]);

    let change = tokio::spawn(ledger.enter(2).into_future());
    bed.door.commits_held(1).await;
    let mut opening = ledger.entries().into_future();
    assert!(poll_once(&mut opening).await.is_pending());
    bed.door.release();
    assert_eq!(read(soon(opening).await.unwrap()).await, [1, 2]);
    soon(change).await.unwrap().unwrap();

    // What it has read is lost with a commit that fails: nobody gets to see it.
    bed.door.hold_commits();
    let change = tokio::spawn(ledger.enter(3).into_future());
    bed.door.commits_held(1).await;
    let mut opening = ledger.entries().into_future();
    assert!(poll_once(&mut opening).await.is_pending());
    bed.door.turn_away(refused());
    bed.door.release();
    soon(change).await.unwrap().unwrap_err();
    let unknown = soon(opening).await.unwrap_err();
    assert!(matches!(unknown, ClusterError::OutcomeUnknown { .. }), "{unknown:?}");
    assert_eq!(cluster.stats().open_streams, 0);
    assert_eq!(read(soon(ledger.entries()).await.unwrap()).await, [1, 2]);
}
backends!(a_stream_opens_when_what_its_handler_read_is_durable);
