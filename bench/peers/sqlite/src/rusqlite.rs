//! rusqlite: a prepared statement, row by row, on the calling thread.

use bench_kit::{Bench, Lane, Run, Watch};
use rusqlite::{Connection, Result, params};

use crate::{BODY, SHARDS, TABLE};

pub(crate) fn run(bench: &Bench, lane: &Lane, batch: u64) -> Run {
    insert(bench, lane, batch).expect("SQLite works on the bench's folder")
}

fn insert(bench: &Bench, lane: &Lane, batch: u64) -> Result<Run> {
    let mut connection = Connection::open(bench.fresh_file("raw-rusqlite.db"))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(TABLE)?;
    let mut latencies_ns = Vec::new();
    let whole = Watch::start();
    for first in (0..lane.operations).step_by(batch as usize) {
        let watch = Watch::start();
        let transaction = connection.transaction()?;
        {
            let sql = "INSERT INTO row (id, shard, body) VALUES (?, ?, ?)";
            let mut statement = transaction.prepare_cached(sql)?;
            for id in first..first + batch {
                statement.execute(params![id as i64, (id % SHARDS) as i64, BODY])?;
            }
        }
        transaction.commit()?;
        latencies_ns.push(watch.nanos());
    }
    Ok(Run::new(lane.operations, whole.elapsed(), latencies_ns))
}
