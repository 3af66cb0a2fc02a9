//! Under a load that never ends the tables do not grow for ever.

use std::time::Duration;

use sqlx::PgConnection;
use test_servers::Kind;

use crate::{Database, Load};

/// Calls of one round: far more than are kept for the shortest time.
const ROUND: u64 = 2_000;
/// Rounds after which the tables have the size that they keep.
const GROWING: usize = 3;
/// Rounds after these, in which they must not grow much more.
const STEADY: usize = 4;

/// Bytes of all tables with their indexes, and rows in them that nobody sees any more.
async fn sizes(tool: &mut PgConnection) -> (i64, i64) {
    let text = "SELECT sum(pg_total_relation_size(relid))::bigint, sum(n_dead_tup)::bigint \
        FROM pg_stat_user_tables WHERE relname LIKE 'cluster\\_%'";
    sqlx::query_as(text).fetch_one(tool).await.unwrap()
}

// proves: B111
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_postgres_level_off() {
    // The server looks for dead rows as often as it can; each minute, unless it is told.
    let Some(database) = Database::start_with(Kind::Postgres, "autovacuum_naptime", "1s") else {
        return;
    };
    let load = Load::start_with(database.storage().await, 100, |builder| {
        builder.config(|config| {
            config.deduplication_window = Duration::from_millis(500);
            config.retention_interval = Duration::from_millis(100);
        })
    });
    let load = load.await;
    let mut tool = database.tool().await;
    let mut seen = Vec::new();
    for _ in 0..GROWING + STEADY {
        load.answered(ROUND).await;
        seen.push(sizes(&mut tool).await);
    }
    let largest = |rounds: &[(i64, i64)]| rounds.iter().map(|(bytes, _)| *bytes).max().unwrap();
    let (growing, steady) = seen.split_at(GROWING);
    assert!(largest(steady) < largest(growing) * 3 / 2, "bytes and dead rows: {seen:?}");
    load.stop(database.storage().await, &database.password()).await;
}
