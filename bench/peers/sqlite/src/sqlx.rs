//! sqlx: one statement with all rows of the transaction, through a hop to the connection's thread.

use std::path::PathBuf;

use bench_kit::{Bench, Lane, Run, Watch};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Result};

use crate::{BODY, SHARDS, TABLE};

pub(crate) fn run(bench: &Bench, lane: Lane, batch: u64) -> Run {
    let path = bench.fresh_file("raw-sqlx.db");
    bench.block_on(insert(path, lane, batch)).expect("SQLite works on the bench's folder")
}

async fn insert(path: PathBuf, lane: Lane, batch: u64) -> Result<Run> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let mut connection = options.connect().await?;
    connection.execute(TABLE).await?;
    let values = vec!["(?, ?, ?)"; batch as usize].join(", ");
    let sql = format!("INSERT INTO row (id, shard, body) VALUES {values}");
    let mut latencies_ns = Vec::new();
    let whole = Watch::start();
    for first in (0..lane.operations).step_by(batch as usize) {
        let watch = Watch::start();
        // Made of constants above.
        let mut query = sqlx::query(AssertSqlSafe(sql.clone()));
        for id in first..first + batch {
            query = query.bind(id as i64).bind((id % SHARDS) as i64).bind(&BODY[..]);
        }
        query.execute(&mut connection).await?;
        latencies_ns.push(watch.nanos());
    }
    let run = Run::new(lane.operations, whole.elapsed(), latencies_ns);
    connection.close().await?;
    Ok(run)
}
