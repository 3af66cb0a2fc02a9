//! TLS to PostgreSQL as the URL asks for it. The certificates in `tls` are for nothing else; the
//! roots' keys are gone.

use std::path::Path;

use crate::support::join;
use cluster_core::storage::StorageError;
use cluster_sql::Postgres;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use test_servers::{Server, private};

/// Has the server write a file that it alone may read, and use it.
async fn give(tool: &mut PgConnection, name: &str, text: &str) {
    let write = format!(
        "COPY (SELECT unnest(string_to_array('{}', '|'))) \
        TO PROGRAM 'umask 077; cat >server.{name}'",
        text.trim().replace('\n', "|")
    );
    tool.execute(sqlx::raw_sql(AssertSqlSafe(write))).await.unwrap();
}

/// How many of the storage's connections are encrypted, and how many are not.
async fn connections(tool: &mut PgConnection) -> (i64, i64) {
    let text = "SELECT count(*) FILTER (WHERE s.ssl), count(*) FILTER (WHERE NOT s.ssl) \
        FROM pg_stat_activity a JOIN pg_stat_ssl s USING (pid) \
        WHERE a.application_name LIKE 'cluster\\_%'";
    sqlx::query_as(text).fetch_one(tool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_url_says_whether_and_how_connections_are_encrypted() {
    let Some(launch) = private(Server::postgres()) else { return };
    let server = tokio::task::spawn_blocking(|| launch.start()).await.unwrap().unwrap();
    let mut tool = PgConnection::connect(&server.url()).await.unwrap();
    give(&mut tool, "crt", include_str!("../tls/server.pem")).await;
    give(&mut tool, "key", include_str!("../tls/server.key")).await;
    for statement in ["ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()"] {
        tool.execute(statement).await.unwrap();
    }
    // The server takes its settings up a moment later.
    while PgConnection::connect(&format!("{}?sslmode=require", server.url())).await.is_err() {
        tokio::task::yield_now().await;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls");
    let url = |mode: &str, root: &str| {
        let root = folder.join(root);
        format!("{}?sslmode={mode}&sslrootcert={}", server.url(), root.display())
    };

    let storage = Postgres::connect(url("verify-full", "root.pem")).await.unwrap();
    join(&storage).await;
    assert_eq!(connections(&mut tool).await, (1, 0));
    drop(storage);
    let stranger = Postgres::connect(url("verify-full", "another_root.pem")).await;
    assert!(matches!(stranger, Err(StorageError::Unavailable { .. })), "{stranger:?}");
    let storage = Postgres::connect(format!("{}?sslmode=disable", server.url())).await.unwrap();
    join(&storage).await;
    while connections(&mut tool).await != (0, 1) {
        // The first storage's connection ends a moment later.
        tokio::task::yield_now().await;
    }
    drop(storage);
    tool.execute("ALTER SYSTEM SET ssl = off").await.unwrap();
    tool.execute("SELECT pg_reload_conf()").await.unwrap();
    while PgConnection::connect(&format!("{}?sslmode=require", server.url())).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let plain = Postgres::connect(url("require", "root.pem")).await;
    assert!(matches!(plain, Err(StorageError::Unavailable { .. })), "{plain:?}");
}
