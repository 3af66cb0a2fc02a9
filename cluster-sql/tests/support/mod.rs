//! A folder of its own for each test, and the suite's backend on it.
#![allow(dead_code, unused_imports)] // Each test file uses what it needs.

pub(crate) mod rows;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cluster_core::id::{EntityId, RequestId, ShardCount, ShardId};
use cluster_core::storage::{RequestRow, Storage};
use cluster_core::testing::suite::Backend;
use cluster_sql::{Sqlite, SqliteOptions};
pub(crate) use rows::join;

/// A new folder, removed at the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static FOLDERS: AtomicU32 = AtomicU32::new(0);
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("cluster-sql-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("a new folder can be made");
        Folder(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.0.join("test.db")
    }

    pub(crate) fn options(&self) -> SqliteOptions {
        Sqlite::options(self.database())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A file of its own for each case.
pub(crate) struct SqliteBackend(pub(crate) Folder);

impl Backend for SqliteBackend {
    async fn fresh() -> Self {
        SqliteBackend(Folder::new())
    }

    async fn open(&self, prefix: &str) -> Arc<dyn Storage> {
        let storage = self.0.options().prefix(prefix).open().await;
        Arc::new(storage.expect("the database can be opened"))
    }
}

/// A plain request to one entity.
pub(crate) fn request(seq: u64) -> RequestRow {
    let entity_id = EntityId::from("e");
    let shard = ShardId::of(&entity_id, ShardCount::default());
    RequestRow { entity_id, shard, ..rows::request(seq) }
}

/// The id of the request that [`request`] makes.
pub(crate) fn request_id(seq: u64) -> RequestId {
    request(seq).id
}
