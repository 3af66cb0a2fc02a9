//! A folder of its own for each test, and the suite's backend on it.
#![allow(dead_code)] // Each test file uses what it needs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cluster_core::id::{
    EntityId, Epoch, MessageTag, RequestId, SHARD_HASH_VERSION, Seq, ShardCount, ShardId,
};
use cluster_core::storage::{
    Fence, JoinRequest, OwnershipStorage, RequestRow, RetentionClass, Storage,
};
use cluster_core::testing::suite::Backend;
use cluster_core::time::Timestamp;
use cluster_sql::{Sqlite, SqliteOptions};

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

/// Joins as the next runner and takes all shards.
pub(crate) async fn join(storage: &Sqlite) -> Fence {
    let request = JoinRequest {
        shard_count: ShardCount::default(),
        shard_hash_version: SHARD_HASH_VERSION,
        groups: vec!["default".into()],
        advertised: String::new(),
        lease: Duration::from_secs(5),
    };
    let fence = storage.join(request).await.expect("a runner can join").fence;
    let shards = (0..ShardCount::default().get()).map(ShardId::new).collect();
    storage.take_shards(fence, shards).await.expect("the shards are free");
    fence
}

/// A plain request to one entity.
pub(crate) fn request(seq: u64) -> RequestRow {
    let entity_id = EntityId::from("e");
    RequestRow {
        seq: Seq::new(seq),
        shard: ShardId::of(&entity_id, ShardCount::default()),
        epoch: Epoch::new(1),
        id: request_id(seq),
        entity_type: "Account".into(),
        entity_id,
        message: MessageTag::of("withdraw"),
        key: None,
        arguments: Bytes::from_static(b"arguments"),
        headers: Default::default(),
        trace: None,
        class: RetentionClass::Sent,
        outer: None,
        accepted_at: Timestamp::from_unix_ms(0),
        due_at: None,
        reminder: None,
    }
}

/// The id of the request that [`request`] makes.
pub(crate) fn request_id(seq: u64) -> RequestId {
    RequestId::from_u128(u128::from(seq) << 80)
}
