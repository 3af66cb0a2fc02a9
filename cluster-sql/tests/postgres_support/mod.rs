//! A schema of its own for each test, on the server that all tests share.
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
use cluster_sql::{Postgres, PostgresOptions};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use test_servers::{Kind, shared};

/// A schema of its own for one case.
pub(crate) struct PostgresBackend {
    pub(crate) schema: String,
    server: String,
}

impl PostgresBackend {
    /// A new one; `None` without a server.
    pub(crate) async fn make() -> Option<Self> {
        static SCHEMAS: AtomicU32 = AtomicU32::new(0);
        let server = shared(Kind::Postgres)?;
        let number = SCHEMAS.fetch_add(1, Ordering::Relaxed);
        let schema = format!("test_{}_{number}", std::process::id());
        let mut tool = PgConnection::connect(&server).await.expect("the server answers");
        let text = format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}");
        let made = tool.execute(sqlx::raw_sql(AssertSqlSafe(text))).await;
        made.expect("a schema can be made");
        Some(PostgresBackend { schema, server })
    }

    /// A URL whose connections see this schema alone.
    pub(crate) fn url(&self) -> String {
        format!("{}?options[search_path]={}", self.server, self.schema)
    }

    pub(crate) fn options(&self) -> PostgresOptions {
        Postgres::options(self.url())
    }

    /// A connection of a tool.
    pub(crate) async fn tool(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.expect("the server answers")
    }
}

impl Backend for PostgresBackend {
    fn is_available() -> bool {
        shared(Kind::Postgres).is_some()
    }

    async fn fresh() -> Self {
        PostgresBackend::make().await.expect("there is a server")
    }

    async fn open(&self, prefix: &str) -> Arc<dyn Storage> {
        Arc::new(self.options().prefix(prefix).connect().await.expect("the tables can be made"))
    }
}

/// Joins as the next runner and takes all shards.
pub(crate) async fn join(storage: &Postgres) -> Fence {
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
pub(crate) async fn accept(storage: &Postgres, fence: Fence, accepts: Vec<RequestRow>) {
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

/// Behind a pooler that keeps no prepared statements and no settings: a table prefix of its own for
/// each case.
pub(crate) struct PooledBackend {
    url: String,
    number: u32,
}

impl Backend for PooledBackend {
    fn is_available() -> bool {
        shared(Kind::Pgbouncer).is_some()
    }

    async fn fresh() -> Self {
        static CASES: AtomicU32 = AtomicU32::new(0);
        let url = shared(Kind::Pgbouncer).expect("there is a pooler");
        PooledBackend { url, number: CASES.fetch_add(1, Ordering::Relaxed) }
    }

    async fn open(&self, prefix: &str) -> Arc<dyn Storage> {
        let prefix = format!("p{}_{}_{prefix}", std::process::id(), self.number);
        let options = Postgres::options(&self.url).prepared_statements(false);
        Arc::new(options.prefix(prefix).connect().await.expect("the tables can be made"))
    }
}
