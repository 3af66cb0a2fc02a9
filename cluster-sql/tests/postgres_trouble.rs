//! What the server may do to a transaction, and what is told of it: deadlocks and serialization
//! failures are tried again, waiting ends, and no error tells a password.
#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used)] // Helpers of tests fail as tests do.

mod postgres_support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cluster_core::id::{Epoch, ShardId, StateVersion};
use cluster_core::storage::{
    Batch, MessageStorage, OwnershipStorage, RequestRow, StateKey, StateWrite, StorageError,
    TransactionStorage,
};
use cluster_core::time::Timestamp;
use cluster_sql::Postgres;
use postgres_support::{PostgresBackend, join, outcome, request};
use sqlx::{AssertSqlSafe, Executor, PgConnection};
use test_servers::{Kind, shared};

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

/// Waits until a connection of this schema waits for a lock.
async fn is_waiting(tool: &mut PgConnection, schema: &str) {
    let text = "SELECT EXISTS (SELECT 1 FROM pg_locks l WHERE NOT l.granted AND l.pid IN (\
        SELECT o.pid FROM pg_locks o JOIN pg_class c ON c.oid = o.relation \
        JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1))";
    let is_so = async |tool: &mut PgConnection| -> bool {
        sqlx::query_scalar(text).bind(schema).fetch_one(tool).await.unwrap()
    };
    while !is_so(tool).await {
        tokio::task::yield_now().await;
    }
}

/// Somebody else has what the batch needs next, and needs what it has: the server ends the batch's
/// transaction, which is made again.
// proves: B109
#[tokio::test]
async fn a_deadlock_is_tried_again() {
    let Some(backend) = PostgresBackend::make().await else { return };
    let storage = backend.options().connect().await.unwrap();
    let fence = join(&storage).await;
    storage.commit(fence, states(0)).await.unwrap();
    let (mut tool, mut watch) = (backend.tool().await, backend.tool().await);
    // So that it is the other one that ends.
    run(&mut tool, "SET deadlock_timeout = '1h'; BEGIN").await;
    run(&mut tool, "UPDATE cluster_state SET epoch = 7 WHERE entity_id = 'b'").await;
    let committing = storage.clone();
    let commit = tokio::spawn(async move { committing.commit(fence, states(1)).await });
    is_waiting(&mut watch, &backend.schema).await;
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
    let Some(backend) = PostgresBackend::make().await else { return };
    let url = format!("{}&options[default_transaction_isolation]=serializable", backend.url());
    let storage = Postgres::options(url).connect().await.unwrap();
    let fence = join(&storage).await;
    let mover = storage.clone();
    let moving = tokio::spawn(async move {
        loop {
            // Who moves marks may fail: they move the next time.
            let _ = mover.move_marks(fence).await;
        }
    });
    for seq in 1..=200 {
        let accepts = Batch { accepts: vec![request(seq)], ..Batch::default() };
        let ends = Batch { outcomes: vec![outcome(seq)], ..Batch::default() };
        for batch in [accepts, ends].map(Arc::new) {
            // As a runner does when that was not enough.
            let mut refused = 0;
            while let Err(error) = storage.commit(fence, batch.clone()).await {
                assert!(matches!(error, StorageError::Unavailable { .. }), "{error:?}");
                refused += 1;
                assert!(refused < 5, "{error:?}");
            }
        }
    }
    moving.abort();
    let _ = moving.await;
    let mut tool = backend.tool().await;
    let ended = "SELECT count(*) FROM cluster_requests WHERE status = 'finished'";
    let ended: i64 = sqlx::query_scalar(ended).fetch_one(&mut tool).await.unwrap();
    assert_eq!(ended, 200);
}

/// All connections that write are taken by handlers' transactions: a batch waits, then says so;
/// what only reads has its own.
// proves: B109, B115
#[tokio::test]
async fn waiting_for_a_connection_ends() {
    let Some(backend) = PostgresBackend::make().await else { return };
    let patience = Duration::from_secs(1);
    let options = backend.options().connections(4);
    drop(options.clone().connect().await.unwrap());
    let storage = options.clone().connect().await.unwrap();
    let fence = join(&storage).await;
    let impatient = options.connect_timeout(patience).connect().await.unwrap();
    let open = (impatient.begin().await.unwrap(), impatient.begin().await.unwrap());
    let refused = impatient.commit(fence, states(0)).await;
    let Err(StorageError::Unavailable { source }) = refused else { panic!("{refused:?}") };
    assert!(source.to_string().contains("1s"), "{source}");
    assert!(impatient.load_states(vec![key("a")]).await.unwrap()[0].is_none());
    open.0.rollback().await;
    drop(open.1);
    impatient.commit(fence, states(0)).await.unwrap();
}

/// More than the server takes in one go is refused before anything is sent.
// proves: B106
#[tokio::test]
async fn what_is_larger_than_the_limit_is_refused() {
    let Some(backend) = PostgresBackend::make().await else { return };
    let mebibyte = 1 << 20;
    let storage = backend.options().payload_bytes_max(20 * mebibyte).connect().await.unwrap();
    let fence = join(&storage).await;
    let sized = |seq, bytes| RequestRow { arguments: vec![7; bytes].into(), ..request(seq) };
    let batch = |row| Arc::new(Batch { accepts: vec![row], ..Batch::default() });
    let refused = storage.commit(fence, batch(sized(1, 20 * mebibyte + 1))).await;
    assert!(matches!(refused, Err(StorageError::TooLarge { .. })), "{refused:?}");
    storage.commit(fence, batch(sized(2, 20 * mebibyte))).await.unwrap();
    let found = storage.find_requests(vec![request(2).id]).await.unwrap().remove(0).unwrap();
    assert!(found.request.arguments == sized(2, 20 * mebibyte).arguments);
    assert!(found.request.accepted_at == Timestamp::from_unix_ms(0));
}

/// Whatever is wrong with a URL, nobody hears its password.
#[tokio::test]
async fn no_error_tells_a_password() {
    let Some(url) = shared(Kind::Postgres) else { return };
    let password = url.split([':', '@']).nth(2).unwrap();
    let port = url.rsplit_once(':').unwrap().1.split_once('/').unwrap().0;
    let secret = "s3cr3t-w0rd";
    let urls = [
        format!("postgres://cluster:{secret}@127.0.0.1:{port}/postgres"),
        format!("postgres://nobody:{secret}@127.0.0.1:{port}/postgres"),
        format!("postgres://cluster:{secret}@127.0.0.1:1/postgres"),
        format!("postgres://cluster:{secret}@no.such.host.invalid/postgres"),
        format!("postgres://cluster:{secret}@127.0.0.1:{port}/postgres?sslmode={secret}"),
        format!("postgres://cluster:{secret}@127.0.0.1:{port}/postgres?passwort={secret}"),
        format!("postgres://cluster:{secret}@127.0.0.1:no port/postgres"),
        format!("mysql://cluster:{secret}@127.0.0.1/x"),
        format!("{url}?sslmode=verify-full&sslrootcert=/no/such/file"),
        format!("{url}?dbname=no_such_database"),
    ];
    for url in urls {
        let options = Postgres::options(&url).connect_timeout(Duration::from_secs(5));
        assert!(!format!("{options:?}").contains(secret));
        let error = options.connect().await.unwrap_err();
        let mut told = format!("{error} {error:?}");
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            told.push_str(&format!(" {error} {error:?}"));
            source = error.source();
        }
        assert!(!told.contains(secret) && !told.contains(password), "{told}");
    }
}
