//! What a dead incarnation has left open on the server is ended by who takes over, for nobody else
//! may ever do so.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::support::{Connected, MAKE_SOLD, SELL, SLEEP, TestDatabase, Tool, join};
use cluster_core::storage::{
    Batch, Database, MessageStorage, OpenTransaction, OwnershipStorage, Storage, StorageError,
    TransactionStorage,
};
use cluster_core::time::Clock;
use sqlx::{Connection, Executor};

/// What takes longer hangs; far more than a busy machine needs.
const HANG: Duration = Duration::from_secs(40);

/// Changes the one row, and so locks it, in a transaction of its own.
async fn change(tool: &mut Tool, sku: &str) {
    let change = format!("UPDATE sold SET sku = '{sku}'");
    tool.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(change))).await.unwrap();
}

fn user(open: &mut dyn OpenTransaction) -> &mut Tool {
    open.connection().downcast_mut::<<Connected as Database>::Connection>().unwrap()
}

async fn writers(tool: &mut Tool) -> i64 {
    sqlx::query_scalar("SELECT count(DISTINCT name) FROM cluster_writer")
        .fetch_one(tool)
        .await
        .unwrap()
}

// proves: B115
#[tokio::test]
async fn who_takes_over_ends_what_is_open() {
    let Some(backend) = TestDatabase::make().await else { return };
    let mut tool = backend.tool().await;
    tool.execute(MAKE_SOLD).await.unwrap();
    sqlx::query(SELL).bind("paper".to_owned()).execute(&mut tool).await.unwrap();
    let dead = backend.connect().await.unwrap();
    let old = join(&dead).await;
    // It has gone on for a while: this connection was not there when it joined.
    let mut open = vec![dead.begin().await.unwrap(), dead.begin().await.unwrap()];
    change(user(&mut *open[1]), "ink").await;

    // A tool that joins nothing ends nothing.
    let idle = backend.connect().await.unwrap();
    assert_eq!(writers(user(&mut *open[1])).await, 1);

    let heir = backend.connect().await.unwrap();
    let new = join(&heir).await;
    // Else this waited for a row of the dead one.
    let changed = Clock::system().timeout(HANG, change(&mut tool, "pens")).await;
    changed.expect("nobody has the row");
    assert_eq!(writers(&mut tool).await, 1);
    for open in open {
        let ended = open.commit(old, Arc::default()).await.unwrap_err();
        assert!(!matches!(ended, StorageError::Fenced { .. }), "its connection is gone: {ended:?}");
    }
    let sku: String =
        sqlx::query_scalar("SELECT sku FROM sold").fetch_one(&mut tool).await.unwrap();
    assert_eq!(sku, "pens");
    // Its others go on, to be told what has happened; the heir's too.
    let written = loop {
        match dead.commit(old, Arc::new(Batch::default())).await {
            Err(StorageError::UnknownOutcome { .. }) => {}
            written => break written,
        }
    };
    assert!(matches!(written, Err(StorageError::Fenced { .. })), "{written:?}");
    heir.commit(new, Arc::new(Batch::default())).await.unwrap();
    drop((idle, tool.close().await));
    assert_eq!(heir.kind(), <Connected as Database>::NAME);
}

/// What a dead incarnation has open holds also what whoever starts has to change: it is ended.
// proves: B115
#[tokio::test]
async fn who_starts_does_not_wait_for_the_dead() {
    let Some(backend) = TestDatabase::make().await else { return };
    let dead = backend.connect().await.unwrap();
    join(&dead).await;
    let mut open = dead.begin().await.unwrap();
    let fences = "SELECT number FROM cluster_fence FOR UPDATE";
    user(&mut *open).execute(fences).await.unwrap();
    let heir = backend.options().answer_timeout(Duration::from_secs(3)).connect().await.unwrap();
    let fence = Clock::system().timeout(HANG, join(&heir)).await.expect("in time");
    heir.commit(fence, Arc::default()).await.unwrap();
}

/// A handler has left a statement that goes on: nothing tells whether it has committed, and what it
/// holds at the server is free again.
// proves: B49, B109
#[tokio::test]
async fn a_transaction_that_does_not_answer_is_ended() {
    let Some(backend) = TestDatabase::make().await else { return };
    let mut tool = backend.tool().await;
    tool.execute(MAKE_SOLD).await.unwrap();
    sqlx::query(SELL).bind("paper".to_owned()).execute(&mut tool).await.unwrap();
    let storage = backend.options().answer_timeout(Duration::from_secs(3)).connect().await.unwrap();
    let fence = join(&storage).await;
    let mut open = storage.begin().await.unwrap();
    change(user(&mut *open), "ink").await;
    {
        let mut sleeps = user(&mut *open).execute(SLEEP);
        let begun = poll_fn(|cx| Poll::Ready(sleeps.as_mut().poll(cx).is_pending())).await;
        assert!(begun);
    }
    let unknown = open.commit(fence, Arc::default()).await;
    assert!(matches!(unknown, Err(StorageError::UnknownOutcome { .. })), "{unknown:?}");
    let changed = Clock::system().timeout(HANG, change(&mut tool, "pens")).await;
    changed.expect("nobody has the row");
    let raised = storage.raise_fence(fence).await.unwrap();
    storage.commit(raised, Arc::default()).await.unwrap();
}

/// Whoever joins again with the same storage ends nothing of it: its connections go on.
#[tokio::test]
async fn who_joins_again_keeps_what_is_open() {
    let Some(backend) = TestDatabase::make().await else { return };
    let mut tool = backend.tool().await;
    tool.execute(MAKE_SOLD).await.unwrap();
    let storage = backend.connect().await.unwrap();
    join(&storage).await;
    let mut open = storage.begin().await.unwrap();
    let sell = sqlx::query(SELL).bind("paper".to_owned());
    sell.execute(user(&mut *open)).await.unwrap();
    let fence = join(&storage).await;
    open.commit(fence, Arc::default()).await.unwrap();
    let sold: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sold").fetch_one(&mut tool).await.unwrap();
    assert_eq!(sold, 1);
}
