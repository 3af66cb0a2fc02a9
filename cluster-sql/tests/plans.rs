//! At a million rows every question is answered by way of an index.
#![allow(clippy::unwrap_used)] // Helpers of tests fail as tests do.

mod support;

use std::sync::Arc;
use std::time::Duration;

use cluster_core::id::{Key, KeyDigest, RequestId, Seq, ShardId, StateVersion};
use cluster_core::storage::{
    Accepted, Batch, EntityScan, EntityStorage, Fence, KeyRow, MessageStorage, OwnershipStorage,
    PendingScan, RemovalWrite, RequestRow, RetentionClass, RetireScan, StateKey,
};
use cluster_core::time::{Clock, Timestamp};
use cluster_sql::Sqlite;
use rusqlite::{Connection, StatementStatus, params_from_iter};
use support::{Folder, join, request};

/// Finished requests, states and dead letters in the file.
const ROWS: u64 = 1_000_000;

/// Statements that read a table of few rows whole, or one row of any table.
const MAY_SCAN: [&str; 9] = [
    "EndAllFences",  // live incarnations: one
    "Runners",       // the last starts: few
    "CountGroups",   // shard groups: few
    "FreeShards",    // shards: few, and only when a runner starts or ends
    "FreeAllShards", // the same
    "AnyAttempt",    // the first row
    "AnyEntry",      // the same
    "AnyDeferred",   // the same
    "Contracts",     // asks for all
];

/// Fills the tables behind the storage's back: every thousandth request is pending, the rest is
/// finished; every other one has a key.
fn fill(connection: &Connection) {
    connection
        .execute_batch(&format!(
            "PRAGMA synchronous = OFF; PRAGMA cache_size = -200000; BEGIN;
            CREATE TEMP TABLE n AS WITH RECURSIVE g (n) AS
                (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < {ROWS}) SELECT n FROM g;
            INSERT INTO cluster_request SELECT n, CAST(printf('%016d', n) AS BLOB), n % 256, 1, 2,
                0, NULL, NULL, NULL, 5, CAST('Account' AS BLOB), CAST('e' || n AS BLOB),
                CASE n % 2 WHEN 1 THEN randomblob(32) END, CASE n % 2 WHEN 1 THEN x'6b' END,
                NULL, NULL, zeroblob(20) FROM n;
            INSERT INTO cluster_outcome SELECT n, n % 256, 1, 0, 0, zeroblob(10) FROM n
                WHERE n % 1000 <> 0;
            INSERT INTO cluster_pending SELECT n, n % 256 FROM n WHERE n % 1000 = 0;
            INSERT INTO cluster_reminder SELECT CAST('Account' AS BLOB), CAST('e' || n AS BLOB), 5,
                n % 256, 1, n, CAST(printf('%016d', n) AS BLOB) FROM n WHERE n % 1000 = 0;
            INSERT INTO cluster_state SELECT n, n % 256, 1, 1, CAST('Account' AS BLOB),
                CAST('e' || n AS BLOB), zeroblob(20) FROM n;
            COMMIT;"
        ))
        .unwrap();
}

// proves: B116
#[tokio::test]
async fn no_statement_scans_a_large_table() {
    let folder = Folder::new();
    drop(folder.options().open().await.unwrap());
    let connection = Connection::open(folder.database()).unwrap();
    for (name, text) in Sqlite::statements("cluster_") {
        let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {text}")).unwrap();
        let unbound = vec![rusqlite::types::Null; explain.parameter_count()];
        let steps = explain
            .query_map(params_from_iter(unbound), |row| row.get::<_, String>("detail"))
            .unwrap();
        for step in steps.map(Result::unwrap) {
            let scan = step.starts_with("SCAN") && step != "SCAN CONSTANT ROW";
            assert!(!scan || MAY_SCAN.contains(&name), "{name}: {step}");
            assert!(!step.contains("TEMP B-TREE"), "{name} sorts: {step}");
        }
    }
}

/// A page of each large question, run on the full tables: no step of a scan, few steps at all.
fn assert_short(connection: &Connection, name: &str, values: &[rusqlite::types::Value]) {
    let statements = Sqlite::statements("cluster_");
    let (_, text) = statements.iter().find(|(known, _)| *known == name).expect("a statement");
    let mut statement = connection.prepare(text).unwrap();
    let mut rows = statement.query(params_from_iter(values)).unwrap();
    let mut found = 0;
    while rows.next().unwrap().is_some() {
        found += 1;
    }
    drop(rows);
    assert!(found > 0, "{name} finds something");
    assert_eq!(statement.get_status(StatementStatus::FullscanStep), 0, "{name} scans");
    let steps = statement.get_status(StatementStatus::VmStep);
    // One entity's pending requests are found among the thousand pending ones, all of its requests
    // by windows in a part of an eighth.
    let steps_max = if name == "RequestsOf" || name == "EndOfWindow" { 160_000 } else { 20_000 };
    assert!(steps < steps_max, "{name} takes {steps} steps for {found} rows");
}

fn time_of_a_scan(clock: &Clock, connection: &Connection) -> Duration {
    let started = clock.now();
    let scan = "SELECT count(*) FROM cluster_request WHERE arguments = x'00'";
    connection.query_row(scan, [], |row| row.get::<_, i64>(0)).unwrap();
    clock.now() - started
}

// proves: B116
#[tokio::test]
async fn every_question_is_short_at_a_million_rows() {
    let folder = Folder::new();
    let storage = folder.options().open().await.unwrap();
    let fence = join(&storage).await;
    let connection = Connection::open(folder.database()).unwrap();
    fill(&connection);

    let number = |number: u64| rusqlite::types::Value::Integer(number as i64);
    let blob = |text: &str| rusqlite::types::Value::Blob(text.into());
    let owner = number(fence.incarnation.as_u64());
    assert_short(&connection, "Fence", std::slice::from_ref(&owner));
    assert_short(&connection, "HighestSeq", &[]);
    assert_short(&connection, "RequestById", &[blob("0000000000500000")]);
    let digest = "SELECT key_digest FROM cluster_request WHERE seq = 500001";
    let digest = connection.query_row(digest, [], |row| row.get(0)).unwrap();
    assert_short(&connection, "RequestByKey", &[digest]);
    assert_short(&connection, "State", &[blob("Account"), blob("e700000")]);
    let page = [number(0), number(100), owner.clone()];
    assert_short(&connection, "LoadPending", &page);
    let of_entity =
        [number(0), number(100), owner, number(500_000 % 256), blob("Account"), blob("e500000")];
    assert_short(&connection, "LoadPendingOf", &of_entity);
    assert_short(&connection, "LoadFinished", &[number(900_000), number(100)]);
    let reminder = [blob("Account"), blob("e500000"), number(5)];
    assert_short(&connection, "Reminder", &reminder);
    let window = [number(500_000 % 256), number(499_000), number(10_000)];
    assert_short(&connection, "EndOfWindow", &window);
    let part = [number(500_000 % 256), number(480_000), number(520_000)];
    let all = part.into_iter().chain([blob("Account"), blob("e500000"), number(1_000)]);
    assert_short(&connection, "RequestsOf", &all.collect::<Vec<_>>());
    // The same through the storage: a scan in each of these would take 620 times as long as this.
    let clock = Clock::system();
    let scanned = time_of_a_scan(&clock, &connection);
    drop(connection);

    let started = clock.now();
    for round in 0..100 {
        let after = round * 9_000;
        let scan =
            PendingScan { after: Seq::new(after), entity: None, limit: 10, bytes: usize::MAX };
        assert_eq!(storage.load_pending(fence, scan).await.unwrap().len(), 10);
        let id = RequestId::from_bytes(*b"0000000000500000");
        assert!(storage.find_requests(vec![id]).await.unwrap()[0].is_some());
        assert_eq!(storage.highest_seq().await.unwrap(), Seq::new(ROWS + round));
        let key = StateKey {
            shard: ShardId::new(1),
            entity_type: "Account".into(),
            entity_id: "e700000".into(),
        };
        let state = storage.load_states(vec![key]).await.unwrap().remove(0).unwrap();
        assert_eq!(state.version, StateVersion::new(1));
        let rows = vec![keyed(ROWS + round + 1, round), keyed(ROWS * 2 + round, round)];
        let batch = Batch { accepts: rows, ..Batch::default() };
        let accepts = storage.commit(fence, Arc::new(batch)).await.unwrap().accepts;
        assert!(matches!(accepts[..], [Accepted::New, Accepted::SameKey(_)]), "{accepts:?}");
        if round % 10 == 0 {
            assert_cleared(&storage, fence, 300_000 + round).await;
        }
        let scan = RetireScan {
            finished_before: [Timestamp::from_unix_ms(1); RetentionClass::COUNT],
            after: Seq::new(after),
            limit: 10,
            reached: None,
        };
        assert_eq!(storage.retire(fence, scan).await.unwrap().removed, 10);
    }
    let taken = clock.now() - started;
    assert!(taken < 200 * scanned, "620 questions took {taken:?}, one scan {scanned:?}");
}

/// Clears the entity that the request of this number is for.
async fn assert_cleared(storage: &Sqlite, fence: Fence, number: u64) {
    let shard = ShardId::new((number % 256) as u32);
    let entity_id = format!("e{number}").as_str().into();
    let entity = StateKey { shard, entity_type: "Account".into(), entity_id };
    let scan = EntityScan { entity: entity.clone(), after: Seq::new(0), limit: 10 };
    let found = storage.requests_of(scan.clone()).await.unwrap();
    assert_eq!(found.iter().map(|found| found.seq.as_u64()).collect::<Vec<_>>(), [number]);
    let removals = vec![RemovalWrite { seq: found[0].seq, shard }];
    let forgotten = vec![entity];
    let batch = Batch { removals, forgotten, ..Batch::default() };
    storage.commit(fence, Arc::new(batch)).await.unwrap();
    assert_eq!(storage.requests_of(scan).await.unwrap(), []);
}

/// A request whose key is one of many.
fn keyed(seq: u64, key: u64) -> RequestRow {
    let row = request(seq);
    let key = Key::new(format!("key {key}")).unwrap();
    let digest = KeyDigest::of(&row.entity_type, &row.entity_id, row.message, &key);
    RequestRow {
        key: Some(KeyRow { digest, key }),
        class: RetentionClass::Keyed,
        accepted_at: Timestamp::from_unix_ms(2),
        ..row
    }
}
