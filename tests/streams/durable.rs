//! The stream of a durable entity shows nothing that a crash can undo.

use std::future::IntoFuture;
use std::sync::Arc;

use cluster::prelude::*;
use futures_util::stream;

use crate::support::{HeldStorage, on_each_storage, poll_once, soon};

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

async fn a_stream_opens_when_what_its_handler_read_is_durable(storage: Arc<dyn Storage>) {
    let storage = HeldStorage::new(storage);
    let builder = Cluster::builder().storage(storage.clone()).entity::<Ledger>();
    let cluster = builder.config(|config| config.commit_attempts = 1).start().await.unwrap();
    let ledger = cluster.get::<Ledger>("l");
    ledger.enter(1).await.unwrap();

    storage.hold();
    // Nothing is under way: it opens though commits would have to wait.
    assert_eq!(read(soon(ledger.entries()).await.unwrap()).await, [1]);

    let change = tokio::spawn(ledger.enter(2).into_future());
    storage.waiting(1).await;
    let mut opening = ledger.entries().into_future();
    assert!(poll_once(&mut opening).await.is_pending());
    storage.release();
    assert_eq!(read(soon(opening).await.unwrap()).await, [1, 2]);
    soon(change).await.unwrap().unwrap();

    // What it has read is lost with a commit that fails: nobody gets to see it.
    storage.hold();
    let change = tokio::spawn(ledger.enter(3).into_future());
    storage.waiting(1).await;
    let mut opening = ledger.entries().into_future();
    assert!(poll_once(&mut opening).await.is_pending());
    storage.fail(1);
    storage.release();
    soon(change).await.unwrap().unwrap_err();
    let unknown = soon(opening).await.unwrap_err();
    assert!(matches!(unknown, ClusterError::OutcomeUnknown { .. }), "{unknown:?}");
    assert_eq!(cluster.stats().open_streams, 0);
    assert_eq!(read(soon(ledger.entries()).await.unwrap()).await, [1, 2]);
}
on_each_storage!(a_stream_opens_when_what_its_handler_read_is_durable);
