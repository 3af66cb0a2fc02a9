//! The tables: made once however many start at once, under their prefix alone, and left to newer
//! and older programs as far as these can use them.

use cluster_core::storage::{OwnershipStorage, StorageError};
use sqlx::{AssertSqlSafe, Executor};

use crate::support::{Connected, TestDatabase, Tool, join};

async fn run(tool: &mut Tool, text: &str) {
    tool.execute(sqlx::raw_sql(AssertSqlSafe(text.to_owned()))).await.unwrap();
}

// proves: B114
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_made_once_by_whoever_starts_first() {
    let Some(backend) = TestDatabase::make().await else { return };
    let starts: Vec<_> =
        (0..5).map(|_| tokio::spawn(backend.options().prefix("five_").connect())).collect();
    let mut storages = Vec::new();
    for start in starts {
        storages.push(start.await.unwrap().unwrap());
    }
    for storage in &storages {
        storage.highest_seq().await.unwrap();
    }
    let mut tool = backend.tool().await;
    let others = format!(
        "SELECT count(*) FROM information_schema.tables \
        WHERE table_schema = '{}' AND LEFT(table_name, 5) <> 'five_'",
        backend.name()
    );
    let others = sqlx::query_scalar::<_, i64>(AssertSqlSafe(others));
    assert_eq!(others.fetch_one(&mut tool).await.unwrap(), 0);
}

// proves: B114
#[tokio::test]
async fn a_newer_schema_is_used_as_far_as_it_says() {
    let Some(backend) = TestDatabase::make().await else { return };
    let storage = backend.options().connect().await.unwrap();
    join(&storage).await;
    let mut tool = backend.tool().await;
    run(&mut tool, "UPDATE cluster_meta SET value = 7 WHERE name = 'schema_current'").await;
    join(&backend.options().connect().await.unwrap()).await;
    run(&mut tool, "UPDATE cluster_meta SET value = 7 WHERE name = 'schema_minimum'").await;
    let refused = backend.options().connect().await;
    let Err(StorageError::SchemaTooNew { minimum: 7, .. }) = refused else { panic!("{refused:?}") };

    run(&mut tool, "DROP TABLE cluster_meta; CREATE TABLE cluster_meta (a INT)").await;
    let refused = backend.options().connect().await;
    let Err(StorageError::Corrupt { table: "meta", .. }) = refused else { panic!("{refused:?}") };
}

/// Whoever makes tables may be another than who uses them.
// proves: B114
#[tokio::test]
async fn a_program_without_the_right_to_make_tables_uses_them() {
    let Some(backend) = TestDatabase::make().await else { return };
    drop(backend.options().connect().await.unwrap());
    let url = backend.add_user().await;
    join(&Connected::connect(url).await.unwrap()).await;
}
