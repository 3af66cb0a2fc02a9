//! Others at the same file: a tool that holds the write lock, a reader that never ends.
#![allow(clippy::unwrap_used)] // Helpers of tests fail as tests do.

mod support;

use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use cluster_core::id::{Epoch, Seq, ShardId, StateVersion};
use cluster_core::storage::{
    Batch, BoxFuture, Due, DueScan, MessageStorage, OutcomeKind, OutcomeRow, OwnershipStorage,
    RedriveFrom, RedriveWrite, RequestRow, RetentionClass, RetireScan, StateKey, StateWrite,
    StorageError, StoredOutcome, TransactionStorage,
};
use cluster_core::time::Timestamp;
use cluster_sql::Sqlite;
use rusqlite::Connection;
use support::{Folder, join, request, request_id};

fn key() -> StateKey {
    StateKey { shard: ShardId::new(1), entity_type: "Blob".into(), entity_id: "e".into() }
}

fn state(version: u64, bytes: usize) -> Arc<Batch> {
    let write = StateWrite {
        key: key(),
        epoch: Epoch::new(1),
        from: StateVersion::new(version - 1),
        to: StateVersion::new(version),
        payload: Bytes::from(vec![version as u8; bytes]),
    };
    Arc::new(Batch { states: vec![write], ..Batch::default() })
}

fn assert_unavailable<T: std::fmt::Debug>(result: Result<T, StorageError>) {
    assert!(matches!(result, Err(StorageError::Unavailable { .. })), "unavailable, not {result:?}");
}

#[tokio::test]
async fn a_foreign_write_lock_makes_writes_fail_surely_and_nothing_else() {
    let folder = Folder::new();
    let storage = folder.options().busy_timeout(Duration::from_millis(20)).open().await.unwrap();
    let fence = join(&storage).await;
    storage.commit(fence, state(1, 10)).await.unwrap();

    let tool = Connection::open(folder.database()).unwrap();
    tool.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_unavailable(storage.commit(fence, state(2, 10)).await);
    assert_unavailable(storage.raise_fence(fence).await);
    assert_unavailable(storage.begin().await.map(drop));
    let read = storage.load_states(vec![key()]).await.unwrap().remove(0);
    assert_eq!(read.unwrap().version, StateVersion::new(1), "readers read on");

    tool.execute_batch("ROLLBACK").unwrap();
    storage.commit(fence, state(2, 10)).await.unwrap();
    storage.begin().await.unwrap().rollback().await;
}

// proves: B110
#[tokio::test]
async fn retention_that_finds_nothing_to_remove_takes_no_write_lock() {
    let folder = Folder::new();
    let storage = folder.options().busy_timeout(Duration::from_millis(20)).open().await.unwrap();
    let fence = join(&storage).await;
    let outcome = OutcomeRow {
        seq: Seq::new(1),
        shard: request(1).shard,
        epoch: Epoch::new(1),
        outcome: StoredOutcome { kind: OutcomeKind::Ok, payload: Bytes::new() },
        finished_at: Timestamp::from_unix_ms(5),
        elsewhere: true,
    };
    let (accepts, outcomes) = (vec![request(1)], vec![outcome]);
    let batch = Batch { accepts, outcomes, ..Batch::default() };
    storage.commit(fence, Arc::new(batch)).await.unwrap();
    let before = |ms: i64| RetireScan {
        finished_before: [Timestamp::from_unix_ms(ms); RetentionClass::COUNT],
        after: Seq::new(0),
        limit: 10,
        reached: None,
    };

    let tool = Connection::open(folder.database()).unwrap();
    tool.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(storage.retire(fence, before(5)).await.unwrap().kept.requests, 1);
    assert_unavailable(storage.retire(fence, before(6)).await);
    tool.execute_batch("ROLLBACK").unwrap();
    assert_eq!(storage.retire(fence, before(6)).await.unwrap().removed, 1);
}

/// What retention has found past its age is reset before it can be removed.
// proves: B43, B111
#[tokio::test]
async fn what_runs_again_meanwhile_is_not_removed() {
    let folder = Folder::new();
    let storage = folder.options().open().await.unwrap();
    let fence = join(&storage).await;
    let ended = |seq: u64| OutcomeRow {
        seq: Seq::new(seq),
        shard: request(seq).shard,
        epoch: Epoch::new(1),
        outcome: StoredOutcome { kind: OutcomeKind::Ok, payload: Bytes::new() },
        finished_at: Timestamp::from_unix_ms(5),
        elsewhere: true,
    };
    let outer = Some(request_id(1));
    let derived = RequestRow { class: RetentionClass::Derived, outer, ..request(2) };
    let batch = Batch {
        accepts: vec![request(1), derived, request(3)],
        outcomes: vec![ended(1), ended(2), ended(3)],
        ..Batch::default()
    };
    storage.commit(fence, Arc::new(batch)).await.unwrap();

    // Nobody writes while this is open: the reset is the first one that waits for it.
    let open = storage.begin().await.unwrap();
    let redrive = RedriveWrite {
        seq: Seq::new(1),
        shard: request(1).shard,
        epoch: Epoch::new(1),
        from: RedriveFrom::Finished(Timestamp::from_unix_ms(5)),
        due_at: Some(Timestamp::from_unix_ms(6)),
    };
    let reset = Arc::new(Batch { redrives: vec![redrive], ..Batch::default() });
    let mut reset = storage.commit(fence, reset);
    assert!(is_pending(&mut reset));
    let scan = RetireScan {
        finished_before: [Timestamp::from_unix_ms(6); 5],
        after: Seq::new(0),
        limit: 10,
        reached: None,
    };
    let mut retire = storage.retire(fence, scan.clone());
    look_ends(&storage, &mut retire).await;
    open.rollback().await;
    reset.await.unwrap();
    let retired = retire.await.unwrap();
    assert_eq!(retired.removed, 1);
    assert!(retired.kept.unfinished, "it is looked at again");

    let due = DueScan { after: Due::FIRST, limit: 10, bytes: 1 << 20 };
    assert_eq!(storage.load_due(fence, due).await.unwrap().len(), 1);
    let ids = [1, 2, 3].map(request_id).to_vec();
    let found = storage.find_requests(ids.clone()).await.unwrap();
    let there: Vec<bool> = found.iter().map(Option::is_some).collect();
    assert_eq!(there, [true, true, false], "what it has called is kept for its next run");

    // It has ended again: all of it goes.
    let batch = Batch { outcomes: vec![ended(1)], ..Batch::default() };
    storage.commit(fence, Arc::new(batch)).await.unwrap();
    assert_eq!(storage.retire(fence, scan).await.unwrap().removed, 2);
    assert!(storage.find_requests(ids).await.unwrap().iter().all(Option::is_none));
}

/// Whether a future has not ended when it is polled once.
fn is_pending<T>(future: &mut BoxFuture<'_, T>) -> bool {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

/// Lets a look for what is past end, whose removal then waits.
async fn look_ends<T>(storage: &Sqlite, retire: &mut BoxFuture<'_, T>) {
    assert!(is_pending(retire));
    // Behind the look, on the same connection.
    storage.cluster_time().await.unwrap();
    assert!(is_pending(retire));
}

#[tokio::test]
async fn the_log_stays_small_while_much_is_written() {
    let folder = Folder::new();
    let storage = folder.options().open().await.unwrap();
    let fence = join(&storage).await;
    let log = folder.path().join("test.db-wal");
    let mut largest = 0;
    for version in 1..=300 {
        storage.commit(fence, state(version, 1 << 20)).await.unwrap();
        largest = largest.max(std::fs::metadata(&log).unwrap().len());
    }
    assert!(largest < 80 << 20, "300 MiB written through a log of {} MiB", largest >> 20);
}

#[tokio::test]
async fn a_reader_that_never_ends_stops_nobody() {
    let folder = Folder::new();
    let storage = folder.options().open().await.unwrap();
    let fence = join(&storage).await;
    storage.commit(fence, state(1, 10)).await.unwrap();
    let tool = Connection::open(folder.database()).unwrap();
    tool.execute_batch("BEGIN").unwrap();
    let count = "SELECT count(*) FROM cluster_state";
    tool.query_row(count, [], |row| row.get::<_, i64>(0)).unwrap();

    for version in 2..=150 {
        storage.commit(fence, state(version, 1 << 20)).await.unwrap();
    }
    tool.execute_batch("ROLLBACK").unwrap();
    let log = folder.path().join("test.db-wal");
    assert!(std::fs::metadata(&log).unwrap().len() > 140 << 20, "the reader keeps it all");
    for version in 151..=200 {
        storage.commit(fence, state(version, 1 << 20)).await.unwrap();
    }
    assert!(std::fs::metadata(&log).unwrap().len() < 130 << 20, "cut when it started anew");
    let read = storage.load_states(vec![key()]).await.unwrap().remove(0).unwrap();
    assert_eq!(read.version, StateVersion::new(200));
}

#[tokio::test]
async fn a_faster_setting_and_a_small_cache_work_the_same() {
    let folder = Folder::new();
    let options = folder.options().synchronous(cluster_sql::Synchronous::Normal);
    let storage = options.cache_bytes(0).payload_bytes_max(100).open().await.unwrap();
    let fence = join(&storage).await;
    storage.commit(fence, state(1, 100)).await.unwrap();
    let refused = storage.commit(fence, state(2, 101)).await;
    assert!(
        matches!(refused, Err(StorageError::TooLarge { what: "state", bytes: 101, limit: 100 })),
        "{refused:?}"
    );
    let read = storage.load_states(vec![key()]).await.unwrap().remove(0).unwrap();
    assert_eq!(read.version, StateVersion::new(1));
}
