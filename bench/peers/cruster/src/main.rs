//! cruster: entities have no state of their own; a handler writes to the database itself, in a
//! transaction apart from the message's, and may do so again after a crash.
//!
//! As the guide of cruster has it: the counter of its quick start on its runner for one process.

use std::process::ExitCode;

use bench_kit::drive::{Target, closed_loop};
use bench_kit::{Case, Lane, Run, lane};
use cruster::prelude::*;
use cruster::single_runner::SingleRunner;
use cruster::types::EntityId;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, Executor, PgConnection, PgPool};

const SYSTEM: &str = "cruster";
/// The guide's.
const CONNECTIONS_MAX: u32 = 10;
/// Smaller than elsewhere: the usual number would take minutes.
const OPERATIONS_1: u64 = 2_000;
const OPERATIONS_64: u64 = 20_000;

#[derive(Serialize, Deserialize)]
struct Add {
    /// A handler is not told whose it is.
    entity: String,
    /// The key: an equal request is another delivery of the same one.
    operation: u64,
    amount: i64,
}

#[entity]
#[derive(Clone)]
struct Counter {
    pool: PgPool,
}

#[entity_impl]
impl Counter {
    #[rpc(persisted)]
    pub async fn add(&self, request: Add) -> Result<i64, ClusterError> {
        let sql = "INSERT INTO counter (id, value) VALUES ($1, $2) \
                   ON CONFLICT (id) DO UPDATE SET value = counter.value + $2 RETURNING value";
        let value = sqlx::query_scalar(sql).bind(&request.entity).bind(request.amount);
        value.fetch_one(&self.pool).await.map_err(|error| ClusterError::PersistenceError {
            reason: error.to_string(),
            source: Some(Box::new(error)),
        })
    }
}

/// Asks for an addition, with a key of its own.
struct Asked {
    client: CounterClient,
    id: EntityId,
}

impl Target for Asked {
    async fn ask(&self, operation: u64) {
        let request = Add { entity: self.id.as_ref().to_owned(), operation, amount: 1 };
        self.client.add(&self.id, &request).await.expect("the storage works");
    }
}

async fn asks(lane: Lane, url: String) -> Run {
    let pool = database(&url).await.expect("the user may make a schema");
    let runner = SingleRunner::builder(pool.clone()).build();
    let runner = runner.await.expect("the user may make tables");
    let counter = Counter { pool: pool.clone() };
    let client = counter.register(runner.sharding().clone()).await.expect("the type is new");
    let ids = (0..lane.entities).map(|number| EntityId::new(number.to_string()));
    let targets = ids.map(|id| Asked { client: client.clone(), id }).collect();
    let run = closed_loop(&lane, targets).await;
    runner.shutdown().await.expect("the storage works");
    pool.close().await;
    run
}

/// Empty tables, nothing of another system's, and nothing left to write of those before.
async fn database(url: &str) -> sqlx::Result<PgPool> {
    let prepare = "DROP SCHEMA IF EXISTS bench CASCADE; CREATE SCHEMA bench; \
                   CREATE TABLE bench.counter (id TEXT PRIMARY KEY, value BIGINT NOT NULL); \
                   CHECKPOINT";
    PgConnection::connect(url).await?.execute(sqlx::raw_sql(prepare)).await?;
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS_MAX);
    pool.connect(&format!("{url}?options[search_path]=bench")).await
}

fn case(lane: Lane) -> Case {
    Case::durable(lane, SYSTEM, "postgres", move |bench| {
        let url = std::env::var("TEST_SERVERS_POSTGRES");
        let url = url.expect("TEST_SERVERS_POSTGRES names a superuser's PostgreSQL");
        bench.block_on(asks(lane, url))
    })
}

fn main() -> ExitCode {
    bench_kit::run(vec![
        case(lane::PERSISTED_1.sized(lane::PERSISTED_1.entities, OPERATIONS_1)),
        case(lane::PERSISTED_64.sized(lane::PERSISTED_64.entities, OPERATIONS_64)),
    ])
}
