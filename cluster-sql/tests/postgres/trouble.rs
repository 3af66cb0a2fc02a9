//! What the server may do to a transaction: deadlocks and serialization failures are tried again.
//! What it may be set to: an encoding that has not all characters is refused.

use std::sync::Arc;

use crate::support::{TestDatabase, join, outcome, request};
use bytes::Bytes;
use cluster_core::id::{Epoch, ShardId, StateVersion};
use cluster_core::storage::{Batch, MessageStorage, StateKey, StateWrite, StorageError};
use cluster_sql::Postgres;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

fn key(id: &str) -> StateKey {
    StateKey { shard: ShardId::new(1), entity_type: "Shop".into(), entity_id: id.into() }
}

fn state(id: &str, from: u64) -> StateWrite {
    StateWrite {
        key: key(id),
        epoch: Epoch::new(1),
        from: StateVersion::new(from),
        to: StateVersion::new(from + 1),
        payload: Bytes::from_static(b"state"),
    }
}

fn states(from: u64) -> Arc<Batch> {
    Batch { states: vec![state("a", from), state("b", from)], ..Batch::default() }.into()
}

async fn run(tool: &mut PgConnection, text: &str) {
    tool.execute(sqlx::raw_sql(AssertSqlSafe(text.to_owned()))).await.unwrap();
}

/// Somebody else has what the batch needs next, and needs what it has: the server ends the batch's
/// transaction, which is made again.
// proves: B109
#[tokio::test]
async fn a_deadlock_is_tried_again() {
    let Some(backend) = TestDatabase::make().await else { return };
    let storage = backend.options().connect().await.unwrap();
    let fence = join(&storage).await;
    storage.commit(fence, states(0)).await.unwrap();
    let (mut tool, mut watch) = (backend.tool().await, backend.tool().await);
    // So that it is the other one that ends.
    run(&mut tool, "SET deadlock_timeout = '1h'; BEGIN").await;
    run(&mut tool, "UPDATE cluster_state SET epoch = 7 WHERE entity_id = 'b'").await;
    let committing = storage.clone();
    let commit = tokio::spawn(async move { committing.commit(fence, states(1)).await });
    while backend.waiting(&mut watch).await == 0 {
        tokio::task::yield_now().await;
    }
    run(&mut tool, "UPDATE cluster_state SET epoch = 7 WHERE entity_id = 'a'; COMMIT").await;
    commit.await.unwrap().unwrap();
    let found = storage.load_states(vec![key("a"), key("b")]).await.unwrap();
    assert!(found.iter().all(|row| row.as_ref().unwrap().version == StateVersion::new(2)));
    let deadlocks = "SELECT deadlocks > 0 FROM pg_stat_database WHERE datname = current_database()";
    // The server counts a moment later.
    loop {
        if sqlx::query_scalar(deadlocks).fetch_one(&mut watch).await.unwrap() {
            break;
        }
        tokio::task::yield_now().await;
    }
}

/// A database whose transactions are serializable unless they say otherwise refuses some of those
/// that run at once.
// proves: B105, B109
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serialization_failures_are_tried_again() {
    let Some(backend) = TestDatabase::make().await else { return };
    let url = format!("{}&options[default_transaction_isolation]=serializable", backend.url());
    let storage = Postgres::options(url).connect().await.unwrap();
    let fence = join(&storage).await;
    for seq in 1..=200 {
        let accepts = Batch { accepts: vec![request(seq)], ..Batch::default() };
        let ends = Batch { outcomes: vec![outcome(seq)], ..Batch::default() };
        for batch in [accepts, ends].map(Arc::new) {
            let commit = async {
                // As a runner does when the storage's own attempts were not enough.
                let mut refused = 0;
                while let Err(error) = storage.commit(fence, batch.clone()).await {
                    assert!(matches!(error, StorageError::Unavailable { .. }), "{error:?}");
                    refused += 1;
                    assert!(refused < 5, "{error:?}");
                }
            };
            // Who moves marks may fail: they move the next time.
            let (_, ()) = tokio::join!(storage.move_marks(fence), commit);
        }
    }
    let mut tool = backend.tool().await;
    let ended = "SELECT count(*) FROM cluster_requests WHERE status = 'finished'";
    let ended: i64 = sqlx::query_scalar(ended).fetch_one(&mut tool).await.unwrap();
    assert_eq!(ended, 200);
}

/// A database of another encoding has not all characters: nothing is made in it.
#[tokio::test]
async fn a_database_that_is_not_utf_8_is_refused() {
    let Some(backend) = TestDatabase::make().await else { return };
    let mut tool = backend.tool().await;
    let url = backend.url();
    let (server, _) = url.rsplit_once('/').unwrap();
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let name = format!("{}_{}", backend.name(), encoding.to_lowercase());
        let make = format!(
            "CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 \
            LC_COLLATE 'C' LC_CTYPE 'C'"
        );
        run(&mut tool, &make).await;
        let url = format!("{server}/{name}");
        for prepared in [true, false] {
            let options = Postgres::options(&url).prepared_statements(prepared);
            let refused = options.connect().await.unwrap_err();
            let StorageError::BadSetting { setting: "server_encoding", reason } = refused else {
                panic!("{refused:?}");
            };
            assert!(reason.contains(encoding) && reason.contains("UTF8"), "{reason}");
        }
        let mut there = PgConnection::connect(&url).await.unwrap();
        let ours = "SELECT count(*) FROM pg_class WHERE relname LIKE 'cluster%'";
        assert_eq!(sqlx::query_scalar::<_, i64>(ours).fetch_one(&mut there).await.unwrap(), 0);
        there.close().await.unwrap();
        run(&mut tool, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
    }
}
