//! Opening files: who may, which tables are made, which schema is refused.
#![allow(clippy::unwrap_used)] // Helpers of tests fail as tests do.

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use cluster_core::storage::{OwnershipStorage, StorageError};
use cluster_sql::Sqlite;
use rusqlite::Connection;
use support::Folder;

fn tables(path: &Path) -> BTreeSet<String> {
    let connection = Connection::open(path).unwrap();
    let mut query = connection.prepare("SELECT name FROM sqlite_schema").unwrap();
    let names = query.query_map([], |row| row.get(0)).unwrap();
    names.map(Result::unwrap).collect()
}

/// Changes a number of the cluster's, behind its back.
fn set_meta(path: &Path, name: &str, value: u32) {
    let connection = Connection::open(path).unwrap();
    let changed = connection
        .execute("UPDATE cluster_meta SET value = ?2 WHERE name = ?1", (name, value))
        .unwrap();
    assert_eq!(changed, 1);
}

#[tokio::test]
async fn a_file_is_open_once_for_each_prefix() {
    let folder = Folder::new();
    let first = folder.options().open().await.unwrap();

    let detour = folder.path().join(".").join("test.db");
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(folder.database(), &link).unwrap();
    for path in [folder.database(), detour, link] {
        let refused = Sqlite::open(&path).await;
        let Err(StorageError::InUse { database, prefix }) = refused else {
            panic!("{} is in use, not {refused:?}", path.display());
        };
        assert!(database.ends_with("test.db"), "{database}");
        assert_eq!(prefix, "cluster_");
    }
    folder.options().prefix("other_").open().await.expect("other prefixes are free");

    let clone = first.clone();
    drop(first);
    assert!(folder.options().open().await.is_err(), "a clone has it open still");
    drop(clone);
    folder.options().open().await.expect("free as soon as the last one is dropped");
}

// A link may lead to a file that is yet to be made: the lock is on that file all the same.
#[tokio::test]
async fn a_file_made_through_a_link_is_open_once() {
    let folder = Folder::new();
    let (link, chain) = (folder.path().join("link.db"), folder.path().join("chain.db"));
    std::os::unix::fs::symlink("test.db", &link).unwrap();
    std::os::unix::fs::symlink(&link, &chain).unwrap();
    let first = Sqlite::open(&chain).await.unwrap();
    for path in [folder.database(), link.clone(), chain] {
        let refused = Sqlite::open(&path).await;
        assert!(matches!(refused, Err(StorageError::InUse { .. })), "{refused:?}");
    }
    drop(first);
    let circle = folder.path().join("circle.db");
    std::os::unix::fs::symlink(&circle, &circle).unwrap();
    let refused = Sqlite::open(&circle).await;
    assert!(matches!(refused, Err(StorageError::BadSetting { .. })), "{refused:?}");
}

#[tokio::test]
async fn an_open_transaction_keeps_the_file() {
    let folder = Folder::new();
    let storage = folder.options().open().await.unwrap();
    let open = cluster_core::storage::TransactionStorage::begin(&storage).await.unwrap();
    drop(storage);
    assert!(matches!(folder.options().open().await, Err(StorageError::InUse { .. })));
    open.rollback().await;
    folder.options().open().await.expect("free when the transaction has ended");
}

// proves: B114
#[tokio::test]
async fn only_prefixed_tables_are_made() {
    let folder = Folder::new();
    let users = Connection::open(folder.database()).unwrap();
    users.execute_batch("CREATE TABLE stock (sku TEXT); INSERT INTO stock VALUES ('a')").unwrap();
    drop(users);
    let storage = folder.options().prefix("app7_").open().await.unwrap();
    storage.cluster_time().await.unwrap();
    drop(storage);

    let mut tables = tables(&folder.database());
    assert!(tables.remove("stock"));
    assert!(tables.contains("app7_request"));
    // SQLite's own: the last numbers of all tables that never give one again.
    assert!(tables.remove("sqlite_sequence"));
    let own =
        |name: &String| name.starts_with("app7_") || name.starts_with("sqlite_autoindex_app7_");
    assert!(tables.iter().all(own), "{tables:?}");
}

// proves: B114
#[tokio::test]
async fn a_schema_that_is_too_new_is_refused() {
    let folder = Folder::new();
    drop(folder.options().open().await.unwrap());

    // A later release has added tables that this one need not know.
    set_meta(&folder.database(), "schema_current", 7);
    drop(folder.options().open().await.expect("the previous release keeps running"));

    set_meta(&folder.database(), "schema_minimum", 5);
    let refused = folder.options().open().await;
    assert!(
        matches!(refused, Err(StorageError::SchemaTooNew { minimum: 5, current: 1 })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn tables_of_others_are_left_alone() {
    let folder = Folder::new();
    let users = Connection::open(folder.database()).unwrap();
    users.execute_batch("CREATE TABLE cluster_meta (title TEXT)").unwrap();
    drop(users);
    let refused = folder.options().open().await;
    assert!(matches!(refused, Err(StorageError::Corrupt { table: "meta", .. })), "{refused:?}");
    assert_eq!(tables(&folder.database()), BTreeSet::from(["cluster_meta".to_owned()]));

    std::fs::write(folder.path().join("not.db"), "no database, whatever the name says").unwrap();
    let refused = Sqlite::open(folder.path().join("not.db")).await;
    assert!(matches!(refused, Err(StorageError::Corrupt { .. })), "{refused:?}");
}

#[tokio::test]
async fn bad_settings_are_named() {
    let folder = Folder::new();
    for prefix in ["", "Cluster_", "7_", "sqlite_", "a-b", "a;b", "ä_", &"x".repeat(33)] {
        let refused = folder.options().prefix(prefix).open().await;
        let Err(StorageError::BadSetting { setting, reason }) = refused else {
            panic!("{prefix:?} is refused, not {refused:?}");
        };
        assert_eq!(setting, "prefix");
        assert!(reason.contains(prefix), "{reason}");
    }
    let missing = folder.path().join("missing").join("test.db");
    for path in [Path::new(":memory:"), Path::new(""), Path::new("/"), missing.as_path()] {
        let refused = Sqlite::open(path).await;
        assert!(
            matches!(refused, Err(StorageError::BadSetting { setting: "path", .. })),
            "{refused:?} for {path:?}"
        );
    }
    assert!(!folder.database().exists(), "nothing was made");
}
