//! Users' rows in the transaction of a handler: they commit with its batch or not at all, and only
//! the framework ends the transaction.
#![allow(clippy::unwrap_used)] // Helpers of tests fail as tests do.

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cluster_core::id::{Epoch, ShardId, StateVersion};
use cluster_core::storage::{
    Batch, Database, Fence, MessageStorage, OpenTransaction, OwnershipStorage, StateKey,
    StateWrite, Storage, StorageError, TransactionStorage,
};
use cluster_sql::Sqlite;
use rusqlite::Connection as Tool;
use sqlx::{Connection, SqliteConnection};
use support::{Folder, join};

struct Shop {
    folder: Folder,
    storage: Sqlite,
    fence: Fence,
}

impl Shop {
    /// A file with a table of the user's and a runner.
    async fn open() -> Shop {
        let folder = Folder::new();
        let tool = Tool::open(folder.database()).unwrap();
        tool.execute_batch("CREATE TABLE sold (sku TEXT)").unwrap();
        drop(tool);
        let storage = folder.options().open().await.unwrap();
        let fence = join(&storage).await;
        Shop { folder, storage, fence }
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

    fn sold(&self) -> Vec<String> {
        let tool = Tool::open(self.folder.database()).unwrap();
        let mut query = tool.prepare("SELECT sku FROM sold ORDER BY rowid").unwrap();
        let sold = query.query_map([], |row| row.get(0)).unwrap();
        sold.map(Result::unwrap).collect()
    }

    async fn version(&self) -> u64 {
        let state = self.storage.load_states(vec![key()]).await.unwrap().remove(0);
        state.map(|row| row.version.as_u64()).unwrap_or_default()
    }
}

/// The connection as a handler has it.
fn user(open: &mut dyn OpenTransaction) -> &mut SqliteConnection {
    open.connection().downcast_mut::<<Sqlite as Database>::Connection>().unwrap()
}

async fn insert(connection: &mut SqliteConnection, sku: &str) -> Result<(), sqlx::Error> {
    let insert = sqlx::query("INSERT INTO sold (sku) VALUES (?)").bind(sku.to_owned());
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
    let shop = Shop::open().await;
    assert_eq!(shop.storage.kind(), <Sqlite as Database>::NAME);
    for (version, sku) in (0..).zip(["a", "b", "c"]) {
        let open = shop.sell(sku).await;
        assert!(open.connection_ref().is::<SqliteConnection>());
        open.commit(shop.fence, batch(version)).await.unwrap();
    }
    assert_eq!((shop.sold(), shop.version().await), (vec!["a".into(), "b".into(), "c".into()], 3));
}

// proves: B244, B246
#[tokio::test]
async fn rows_go_when_the_batch_is_refused() {
    let shop = Shop::open().await;
    let conflict = shop.sell("a").await.commit(shop.fence, batch(4)).await;
    assert!(matches!(conflict, Err(StorageError::StateConflict { .. })), "{conflict:?}");

    let large = Arc::new(Batch {
        states: vec![StateWrite {
            payload: Bytes::from(vec![0; 5 << 20]),
            ..batch(0).states[0].clone()
        }],
        ..Batch::default()
    });
    let refused = shop.sell("b").await.commit(shop.fence, large).await;
    assert!(matches!(refused, Err(StorageError::TooLarge { .. })), "{refused:?}");

    let raised = shop.storage.raise_fence(shop.fence).await.unwrap();
    let fenced = shop.sell("c").await.commit(shop.fence, batch(0)).await;
    assert!(matches!(fenced, Err(StorageError::Fenced { .. })), "{fenced:?}");
    assert_eq!((shop.sold(), shop.version().await), (Vec::new(), 0));

    shop.sell("d").await.commit(raised, batch(0)).await.unwrap();
    assert_eq!((shop.sold(), shop.version().await), (vec!["d".to_owned()], 1));
}

#[tokio::test]
async fn rows_go_when_the_transaction_is_rolled_back_or_dropped() {
    let shop = Shop::open().await;
    shop.sell("a").await.rollback().await;
    drop(shop.sell("b").await);
    let mut open = shop.begin().await;
    drop(insert(user(&mut *open), "c"));
    drop(open);
    shop.sell("d").await.commit(shop.fence, batch(0)).await.unwrap();
    assert_eq!((shop.sold(), shop.version().await), (vec!["d".to_owned()], 1));
}

#[tokio::test]
async fn only_the_framework_commits() {
    let statements = [
        ("COMMIT", Err(())),
        ("END TRANSACTION", Err(())),
        ("COMMIT; BEGIN", Err(())),
        ("ROLLBACK", Ok(())),
        ("ROLLBACK; BEGIN", Ok(())),
    ];
    for (statement, expected) in statements {
        let shop = Shop::open().await;
        let mut open = shop.sell("a").await;
        let ended = sqlx::raw_sql(statement).execute(user(&mut *open)).await;
        assert_eq!(ended.map(drop).map_err(drop), expected, "{statement}");
        // Neither what comes after it is stored.
        let _ = insert(user(&mut *open), "b").await;
        let refused = open.commit(shop.fence, batch(0)).await;
        assert!(
            matches!(refused, Err(StorageError::TransactionFailed)),
            "{refused:?} after {statement}"
        );
        assert_eq!((shop.sold(), shop.version().await), (Vec::new(), 0), "after {statement}");

        shop.sell("c").await.commit(shop.fence, batch(0)).await.unwrap();
        assert_eq!((shop.sold(), shop.version().await), (vec!["c".to_owned()], 1));
    }
}

#[tokio::test]
async fn transactions_nest() {
    let shop = Shop::open().await;
    let mut open = shop.sell("a").await;
    let mut nested = user(&mut *open).begin().await.unwrap();
    insert(&mut nested, "b").await.unwrap();
    nested.commit().await.unwrap();
    let mut nested = user(&mut *open).begin().await.unwrap();
    insert(&mut nested, "c").await.unwrap();
    nested.rollback().await.unwrap();
    let mut nested = user(&mut *open).begin().await.unwrap();
    insert(&mut nested, "d").await.unwrap();
    drop(nested);
    open.commit(shop.fence, batch(0)).await.unwrap();
    assert_eq!((shop.sold(), shop.version().await), (vec!["a".into(), "b".into()], 1));

    // One that is leaked is not what gets committed.
    let mut open = shop.sell("e").await;
    std::mem::forget(user(&mut *open).begin().await.unwrap());
    let refused = open.commit(shop.fence, batch(1)).await;
    assert!(matches!(refused, Err(StorageError::TransactionFailed)), "{refused:?}");
    shop.sell("f").await.commit(shop.fence, batch(1)).await.unwrap();
    assert_eq!((shop.sold().pop(), shop.version().await), (Some("f".to_owned()), 2));
}

#[tokio::test]
async fn a_failing_statement_leaves_the_transaction_usable() {
    let shop = Shop::open().await;
    let mut open = shop.sell("a").await;
    let wrong = sqlx::query("INSERT INTO missing VALUES (1)").execute(user(&mut *open)).await;
    assert!(wrong.is_err());
    insert(user(&mut *open), "b").await.unwrap();
    open.commit(shop.fence, batch(0)).await.unwrap();
    assert_eq!((shop.sold(), shop.version().await), (vec!["a".into(), "b".into()], 1));
}

#[tokio::test]
async fn batches_and_transactions_wait_for_each_other() {
    let shop = Shop::open().await;
    let Shop { folder, storage, .. } = shop;
    drop(storage);
    // Whoever meets a lock of the file fails at once: only the gate makes them wait.
    let storage = folder.options().busy_timeout(Duration::ZERO).open().await.unwrap();
    let fence = join(&storage).await;
    let shop = Shop { folder, storage, fence };
    for version in (0..40).step_by(2) {
        let mut open = shop.sell("a").await;
        let storage = shop.storage.clone();
        let batch_of_others =
            tokio::spawn(async move { storage.commit(fence, Arc::new(Batch::default())).await });
        for _ in 0..5 {
            insert(user(&mut *open), "b").await.unwrap();
        }
        let storage = shop.storage.clone();
        let other_transaction = tokio::spawn(async move {
            storage.begin().await.unwrap().commit(fence, batch(version + 1)).await
        });
        open.commit(fence, batch(version)).await.unwrap();
        batch_of_others.await.unwrap().unwrap();
        other_transaction.await.unwrap().unwrap();
    }
    assert_eq!((shop.sold().len(), shop.version().await), (120, 40));
}

#[test]
fn a_transaction_may_be_dropped_where_no_runtime_is() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let shop = first.block_on(Shop::open());
    let open = first.block_on(shop.sell("a"));
    drop(open);
    let open = first.block_on(shop.sell("b"));
    drop(first);
    drop(open);

    let second = runtime();
    second.block_on(async {
        shop.sell("c").await.commit(shop.fence, batch(0)).await.unwrap();
        assert_eq!((shop.sold(), shop.version().await), (vec!["c".to_owned()], 1));
    });
}
