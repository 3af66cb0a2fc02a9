//! What is finished and retired leaves no row behind.
#![allow(clippy::unwrap_used)] // Helpers of tests fail as tests do.

mod support;

use std::sync::Arc;

use bytes::Bytes;
use cluster_core::id::{Epoch, Seq};
use cluster_core::storage::{
    AttemptWrite, Batch, DeadWrite, MessageStorage, OutcomeKind, OutcomeRow, RequestRow,
    RetentionClass, RetireScan, StoredOutcome,
};
use cluster_core::time::Timestamp;
use rusqlite::Connection;
use support::{Folder, join, request};

/// Every table that has rows for requests.
const TABLES: [&str; 7] = ["request", "outcome", "pending", "due", "held", "dead", "attempt"];

fn rows(folder: &Folder) -> Vec<(&'static str, u32)> {
    let connection = Connection::open(folder.database()).unwrap();
    let count = |table: &&'static str| {
        let text = format!("SELECT count(*) FROM cluster_{table}");
        (*table, connection.query_row(&text, [], |row| row.get(0)).unwrap())
    };
    TABLES.iter().map(count).filter(|(_, rows)| *rows > 0).collect()
}

fn outcome(seq: u64) -> OutcomeRow {
    OutcomeRow {
        seq: Seq::new(seq),
        shard: request(seq).shard,
        epoch: Epoch::new(1),
        outcome: StoredOutcome { kind: OutcomeKind::Ok, payload: Bytes::new() },
        finished_at: Timestamp::from_unix_ms(1),
        elsewhere: true,
    }
}

// proves: B111
#[tokio::test]
async fn finished_requests_leave_nothing_behind() {
    let folder = Folder::new();
    let storage = folder.options().open().await.unwrap();
    let fence = join(&storage).await;
    let due = RequestRow { due_at: Some(Timestamp::from_unix_ms(5)), ..request(2) };
    let accepts = vec![request(1), due, request(3), request(4)];
    storage.commit(fence, Arc::new(Batch { accepts, ..Batch::default() })).await.unwrap();
    let attempt = |seq| AttemptWrite {
        seq: Seq::new(seq),
        shard: request(seq).shard,
        epoch: Epoch::new(7),
        attempts: 1,
        retry_at: Timestamp::from_unix_ms(1),
        in_order: false,
        error: "failed".to_owned(),
    };
    let dead = DeadWrite {
        seq: Seq::new(3),
        shard: request(3).shard,
        epoch: Epoch::new(7),
        attempts: 2,
        error: "gave up".to_owned(),
        died_at: Timestamp::from_unix_ms(1),
    };
    let attempts = (1..=3).map(attempt).collect();
    let failures = Batch { attempts, dead: vec![dead], ..Batch::default() };
    storage.commit(fence, Arc::new(failures)).await.unwrap();
    assert_eq!(
        rows(&folder),
        [("request", 4), ("pending", 1), ("due", 2), ("dead", 1), ("attempt", 2)]
    );
    let connection = Connection::open(folder.database()).unwrap();
    for table in ["dead", "attempt"] {
        let text = format!("SELECT min(epoch), max(epoch) FROM cluster_{table}");
        let epochs = connection.query_row(&text, [], |row| Ok((row.get(0)?, row.get(1)?)));
        assert_eq!(epochs.unwrap(), (7, 7), "{table}");
    }
    drop(connection);

    let outcomes = (1..=4).map(outcome).collect();
    storage.commit(fence, Arc::new(Batch { outcomes, ..Batch::default() })).await.unwrap();
    assert_eq!(rows(&folder), [("request", 4), ("outcome", 4)]);

    let scan = RetireScan {
        finished_before: [Timestamp::from_unix_ms(2); RetentionClass::COUNT],
        after: Seq::new(0),
        limit: 100,
        reached: None,
    };
    assert_eq!(storage.retire(fence, scan).await.unwrap().removed, 4);
    assert_eq!(rows(&folder), []);
}
