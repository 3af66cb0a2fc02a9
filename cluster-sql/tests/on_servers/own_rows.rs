//! Users' rows in the transaction of a handler: they commit with its batch or not at all, and only
//! the framework ends the transaction.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::support::{
    COMMITS, COMMITTING, Connected, ENDS, MAKE_SOLD, SELL, TestDatabase, Tool, cut_after_commits,
    join,
};
use bytes::Bytes;
use cluster_core::id::{Epoch, ShardId, StateVersion};
use cluster_core::storage::{
    Batch, Database, Fence, MessageStorage, OpenTransaction, OwnershipStorage, StateKey,
    StateWrite, Storage, StorageError, TransactionStorage,
};
use cluster_core::time::Clock;
use sqlx::{Connection, Executor};

struct Shop {
    backend: TestDatabase,
    storage: Connected,
    fence: Fence,
}

impl Shop {
    /// A database with a table of the user's and a runner.
    async fn open() -> Option<Shop> {
        let backend = TestDatabase::make().await?;
        backend.tool().await.execute(MAKE_SOLD).await.unwrap();
        let storage = backend.options().connections(4).connect().await.unwrap();
        let fence = join(&storage).await;
        Some(Shop { backend, storage, fence })
    }

    async fn begin(&self) -> Box<dyn OpenTransaction> {
        self.storage.begin().await.unwrap()
    }

    /// A transaction in which the user has sold something.
    async fn sell(&self, sku: &str) -> Box<dyn OpenTransaction> {
        let mut open = self.begin().await;
        insert(user(&mut *open), sku).await.unwrap();
        open
    }

    async fn sold(&self) -> Vec<String> {
        let mut tool = self.backend.tool().await;
        let query = sqlx::query_scalar("SELECT sku FROM sold ORDER BY number");
        query.fetch_all(&mut tool).await.unwrap()
    }

    async fn version(&self) -> u64 {
        let state = self.storage.load_states(vec![key()]).await.unwrap().remove(0);
        state.map(|row| row.version.as_u64()).unwrap_or_default()
    }
}

/// The connection as a handler has it.
fn user(open: &mut dyn OpenTransaction) -> &mut Tool {
    open.connection().downcast_mut::<<Connected as Database>::Connection>().unwrap()
}

async fn insert(connection: &mut Tool, sku: &str) -> Result<(), sqlx::Error> {
    let insert = sqlx::query(SELL).bind(sku.to_owned());
    insert.execute(connection).await.map(drop)
}

fn key() -> StateKey {
    StateKey { shard: ShardId::new(1), entity_type: "Shop".into(), entity_id: "e".into() }
}

fn batch(from: u64) -> Arc<Batch> {
    let write = StateWrite {
        key: key(),
        epoch: Epoch::new(1),
        from: StateVersion::new(from),
        to: StateVersion::new(from + 1),
        payload: Bytes::from_static(b"state"),
    };
    Arc::new(Batch { states: vec![write], ..Batch::default() })
}

#[tokio::test]
async fn rows_commit_with_the_batch() {
    let Some(shop) = Shop::open().await else { return };
    assert_eq!(shop.storage.kind(), <Connected as Database>::NAME);
    for (version, sku) in (0..).zip(["a", "b", "c"]) {
        let open = shop.sell(sku).await;
        assert!(open.connection_ref().is::<Tool>());
        open.commit(shop.fence, batch(version)).await.unwrap();
    }
    assert_eq!((shop.sold().await, shop.version().await), (words("a b c"), 3));
}

// proves: B244, B246
#[tokio::test]
async fn rows_go_when_the_batch_is_refused() {
    let Some(shop) = Shop::open().await else { return };
    let conflict = shop.sell("a").await.commit(shop.fence, batch(4)).await;
    assert!(matches!(conflict, Err(StorageError::StateConflict { .. })), "{conflict:?}");
    let raised = shop.storage.raise_fence(shop.fence).await.unwrap();
    let fenced = shop.sell("c").await.commit(shop.fence, batch(0)).await;
    assert!(matches!(fenced, Err(StorageError::Fenced { .. })), "{fenced:?}");
    shop.sell("d").await.rollback().await;
    drop(shop.sell("e").await);
    assert_eq!((shop.sold().await, shop.version().await), (Vec::new(), 0));
    shop.sell("f").await.commit(raised, batch(0)).await.unwrap();
    assert_eq!((shop.sold().await, shop.version().await), (words("f"), 1));
}

/// Whatever a user's statement ends, the batch is not written without the rows before it.
// proves: B244
#[tokio::test]
async fn a_transaction_that_a_statement_ended_writes_no_batch() {
    let Some(shop) = Shop::open().await else { return };
    let ended = ["COMMIT", "ROLLBACK", "COMMIT; BEGIN", "ROLLBACK AND CHAIN", ENDS];
    for statement in ended {
        let mut open = shop.sell(statement).await;
        let _ = user(&mut *open).execute(sqlx::raw_sql(statement)).await;
        let refused = open.commit(shop.fence, batch(0)).await;
        // What has failed is not committed, so it may be tried again.
        match statement == ENDS && !COMMITTING.contains(&ENDS) {
            true => assert!(matches!(refused, Err(StorageError::TransactionFailed)), "{refused:?}"),
            false => assert!(matches!(refused, Err(StorageError::TransactionEnded)), "{refused:?}"),
        }
    }
    assert_eq!(shop.version().await, 0);
    // What the user has committed is the user's.
    assert_eq!(shop.sold().await, COMMITTING);
    shop.sell("a").await.commit(shop.fence, batch(0)).await.unwrap();
}

/// Large values are not written in one packet with the commit, and hold all the same.
// proves: B106
#[tokio::test]
async fn states_of_any_size_commit_with_rows() {
    let Some(shop) = Shop::open().await else { return };
    let sized = |from: u64, bytes: usize| {
        let mut batch = (*batch(from)).clone();
        batch.states[0].payload = (0..bytes).map(|at| (at % 251) as u8).collect::<Vec<_>>().into();
        Arc::new(batch)
    };
    let sizes = [0, 1 << 10, 1 << 20, 3 << 20, 4 << 20];
    for (from, bytes) in (0..).zip(sizes) {
        let written = sized(from, bytes);
        shop.sell(&bytes.to_string()).await.commit(shop.fence, written.clone()).await.unwrap();
        let stored = shop.storage.load_states(vec![key()]).await.unwrap().remove(0).unwrap();
        assert!(stored.payload == written.states[0].payload, "{bytes} bytes");
    }
    let conflict = shop.sell("none").await.commit(shop.fence, sized(0, 4 << 20)).await;
    assert!(matches!(conflict, Err(StorageError::StateConflict { .. })), "{conflict:?}");
    assert_eq!(shop.sold().await, sizes.map(|bytes| bytes.to_string()));
}

#[tokio::test]
async fn nested_transactions_are_savepoints() {
    let Some(shop) = Shop::open().await else { return };
    let mut open = shop.sell("a").await;
    let mut nested = user(&mut *open).begin().await.unwrap();
    insert(&mut nested, "b").await.unwrap();
    nested.rollback().await.unwrap();
    let mut nested = user(&mut *open).begin().await.unwrap();
    insert(&mut nested, "c").await.unwrap();
    nested.commit().await.unwrap();
    open.commit(shop.fence, batch(0)).await.unwrap();
    assert_eq!(shop.sold().await, words("a c"));

    let mut open = shop.sell("d").await;
    std::mem::forget(user(&mut *open).begin().await.unwrap());
    let leaked = open.commit(shop.fence, batch(1)).await;
    assert!(matches!(leaked, Err(StorageError::TransactionFailed)), "{leaked:?}");
    assert_eq!((shop.sold().await, shop.version().await), (words("a c"), 1));

    // One that is given up while it begins, which may be over already, is not taken for a COMMIT.
    let mut open = shop.sell("e").await;
    {
        let mut begins = pin!(user(&mut *open).begin());
        let _ = poll_fn(|cx| Poll::Ready(begins.as_mut().poll(cx).is_ready())).await;
    }
    match open.commit(shop.fence, batch(1)).await {
        Ok(_) => assert_eq!((shop.sold().await, shop.version().await), (words("a c e"), 2)),
        Err(StorageError::TransactionFailed | StorageError::Interrupted { .. }) => {
            assert_eq!((shop.sold().await, shop.version().await), (words("a c"), 1));
        }
        Err(other) => panic!("{other:?}"),
    }
}

/// The server ends connections under the storage: what was not committed is gone, what follows
/// works, and nothing is done twice.
// proves: B109, B245
#[tokio::test]
async fn lost_connections_lose_nothing() {
    let Some(shop) = Shop::open().await else { return };
    let open = shop.sell("a").await;
    shop.backend.end_open_transaction().await;
    let lost = open.commit(shop.fence, batch(0)).await;
    assert!(
        matches!(lost, Err(StorageError::Interrupted { .. } | StorageError::UnknownOutcome { .. })),
        "{lost:?}"
    );
    let raised = shop.storage.raise_fence(shop.fence).await.unwrap();
    assert_eq!((shop.sold().await, shop.version().await), (Vec::new(), 0));
    shop.sell("b").await.commit(raised, batch(0)).await.unwrap();
    assert_eq!((shop.sold().await, shop.version().await), (words("b"), 1));
}

/// A connection is cut when its server has said that the commit is done, before it says that the
/// connection is as it was: it is committed, and the next transaction has another connection.
// proves: B109
#[tokio::test]
async fn a_connection_cut_behind_its_commit_has_committed() {
    let Some(shop) = Shop::open().await else { return };
    let url = cut_after_commits(&shop.backend.url(), COMMITS).await;
    let storage = Connected::options(&url).connections(3).connect().await.unwrap();
    for (version, sku) in (0..).zip(["a", "b"]) {
        let mut open = storage.begin().await.unwrap();
        insert(user(&mut *open), sku).await.unwrap();
        open.commit(shop.fence, batch(version)).await.unwrap();
    }
    assert_eq!((shop.sold().await, shop.version().await), (words("a b"), 2));
}

/// A handler is dropped while its statement waits for a row that somebody else holds: giving the
/// transaction back does not wait for that, and the statement is ended at the server.
// proves: B49
#[tokio::test]
async fn a_statement_that_waits_for_others_is_ended_when_it_is_rolled_back() {
    let Some(shop) = Shop::open().await else { return };
    shop.sell("a").await.commit(shop.fence, batch(0)).await.unwrap();
    let (mut holder, mut watch) = (shop.backend.tool().await, shop.backend.tool().await);
    let hold = "BEGIN; UPDATE sold SET sku = 'held'";
    holder.execute(sqlx::raw_sql(hold)).await.unwrap();
    let clock = Clock::system();
    // As often as there are connections for it.
    for _ in 0..3 {
        let mut open = shop.begin().await;
        {
            let mut late = user(&mut *open).execute("UPDATE sold SET sku = 'late'");
            while shop.backend.waiting(&mut watch).await == 0 {
                let is_late = poll_fn(|cx| Poll::Ready(late.as_mut().poll(cx).is_pending())).await;
                assert!(is_late);
            }
        }
        clock.timeout(Duration::from_secs(60), open.rollback()).await.expect("in time");
        while shop.backend.waiting(&mut watch).await > 0 {
            tokio::task::yield_now().await;
        }
    }
    holder.execute("COMMIT").await.unwrap();
    assert_eq!((shop.sold().await, shop.version().await), (words("held"), 1));
    shop.sell("b").await.commit(shop.fence, batch(1)).await.unwrap();
    assert_eq!((shop.sold().await, shop.version().await), (words("held b"), 2));
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
