//! A database of its own for each test, on the server that all tests share.
#![allow(dead_code)] // Each test file uses what it needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use cluster_core::id::{
    EntityId, Epoch, MessageTag, RequestId, SHARD_HASH_VERSION, Seq, ShardCount, ShardId,
};
use cluster_core::storage::{
    Accepted, Batch, Fence, JoinRequest, MessageStorage, OutcomeKind, OutcomeRow, OwnershipStorage,
    RequestRow, RetentionClass, Storage, StoredOutcome,
};
use cluster_core::testing::suite::Backend;
use cluster_core::time::Timestamp;
use cluster_sql::{MySql, MySqlOptions};
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection, Row};
use test_servers::{Kind, shared};

/// A database of its own for one case.
pub(crate) struct MySqlBackend {
    pub(crate) database: String,
    server: String,
}

impl MySqlBackend {
    /// A new one; `None` without a server.
    pub(crate) async fn make() -> Option<Self> {
        static DATABASES: AtomicU32 = AtomicU32::new(0);
        let server = shared(Kind::Mariadb)?;
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let database = format!("test_{}_{number}", std::process::id());
        let mut tool = MySqlConnection::connect(&server).await.expect("the server answers");
        let text = format!("DROP DATABASE IF EXISTS {database}; CREATE DATABASE {database}");
        let made = tool.execute(sqlx::raw_sql(AssertSqlSafe(text))).await;
        made.expect("a database can be made");
        Some(MySqlBackend { database, server })
    }

    /// A URL of this database alone.
    pub(crate) fn url(&self) -> String {
        let (server, _) = self.server.rsplit_once('/').expect("the URL names a database");
        format!("{server}/{}", self.database)
    }

    pub(crate) fn options(&self) -> MySqlOptions {
        MySql::options(self.url())
    }

    /// A connection of a tool.
    pub(crate) async fn tool(&self) -> MySqlConnection {
        MySqlConnection::connect(&self.url()).await.expect("the server answers")
    }
}

impl Backend for MySqlBackend {
    fn is_available() -> bool {
        shared(Kind::Mariadb).is_some()
    }

    async fn fresh() -> Self {
        MySqlBackend::make().await.expect("there is a server")
    }

    async fn open(&self, prefix: &str) -> Arc<dyn Storage> {
        Arc::new(self.options().prefix(prefix).connect().await.expect("the tables can be made"))
    }
}

/// The connections of a database that wait for locks. The server's table of transactions would not
/// do: it is not made anew for who asks again and again.
pub(crate) async fn waiting(tool: &mut MySqlConnection, database: &str) -> Vec<i64> {
    let status = sqlx::raw_sql("SHOW ENGINE INNODB STATUS").fetch_one(&mut *tool).await;
    let status: String = status.expect("a superuser may").get_unchecked("Status");
    let (mut waits, mut waiting) = (false, Vec::new());
    for line in status.lines() {
        if line.starts_with("---TRANSACTION") {
            waits = false;
        } else if line.starts_with("LOCK WAIT") {
            waits = true;
        } else if let Some((_, words)) = line.split_once(" thread id ").filter(|_| waits) {
            let number = words.split(',').next().unwrap_or_default();
            waiting.push(number.parse::<i64>().expect("a number"));
        }
    }
    let here = "SELECT CAST(id AS SIGNED) FROM information_schema.processlist WHERE db = ?";
    let here = sqlx::query_scalar(here).bind(database).fetch_all(tool).await;
    let here: Vec<i64> = here.expect("a superuser may");
    waiting.retain(|number| here.contains(number));
    waiting
}

/// Joins as the next runner and takes all shards.
pub(crate) async fn join(storage: &MySql) -> Fence {
    let request = JoinRequest {
        shard_count: ShardCount::default(),
        shard_hash_version: SHARD_HASH_VERSION,
        groups: vec!["default".into()],
        advertised: String::new(),
    };
    let fence = storage.join(request).await.expect("a runner can join").fence;
    let shards = (0..ShardCount::default().get()).map(ShardId::new).collect();
    storage.take_shards(fence, shards).await.expect("the shards are free");
    fence
}

/// A plain request, each to an entity of its own.
pub(crate) fn request(seq: u64) -> RequestRow {
    let entity_id = EntityId::from(format!("e{seq}"));
    RequestRow {
        seq: Seq::new(seq),
        shard: ShardId::of(&entity_id, ShardCount::default()),
        epoch: Epoch::new(1),
        id: RequestId::from_u128(u128::from(seq) << 80),
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

/// Accepts requests that are all new.
pub(crate) async fn accept(storage: &MySql, fence: Fence, accepts: Vec<RequestRow>) {
    let batch = Arc::new(Batch { accepts, ..Batch::default() });
    let committed = storage.commit(fence, batch).await.expect("the batch is written");
    let new = committed.accepts.iter().all(|accepted| matches!(accepted, Accepted::New));
    assert!(new, "accepted as new, not {committed:?}");
}

/// The outcome of the request that [`request`] makes.
pub(crate) fn outcome(seq: u64) -> OutcomeRow {
    OutcomeRow {
        seq: Seq::new(seq),
        shard: request(seq).shard,
        epoch: Epoch::new(1),
        outcome: StoredOutcome { kind: OutcomeKind::Ok, payload: Bytes::from_static(b"done") },
        finished_at: Timestamp::from_unix_ms(0),
    }
}
