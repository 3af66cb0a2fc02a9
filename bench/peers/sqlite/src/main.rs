//! The raw limits under every persisted lane: rows of 100 bytes into one SQLite table, in WAL mode
//! with `synchronous=FULL`, by one writer; and a flush of the disk alone.

mod disk;
mod rusqlite;
mod sqlx;

use std::process::ExitCode;

use bench_kit::{Case, Lane};

/// One row in each transaction.
const COMMIT: Lane = rows("raw-commit", 5_000);
/// 100 rows in each transaction.
const ROWS_100: Lane = rows("raw-rows-100", 100_000);
/// 1,000 rows in each transaction.
const ROWS_1000: Lane = rows("raw-rows-1000", 300_000);
/// One flush to the disk.
const FSYNC: Lane = rows("raw-fsync", 5_000);

const TABLE: &str =
    "CREATE TABLE row (id INTEGER PRIMARY KEY, shard INTEGER NOT NULL, body BLOB NOT NULL)";
const SHARDS: u64 = 256;
const BODY: [u8; 100] = [7; 100];

const fn rows(name: &'static str, operations: u64) -> Lane {
    Lane { name, callers: 1, entities: 1, operations }
}

/// The lanes with the rows of one transaction.
const BATCHES: [(Lane, u64); 3] = [(COMMIT, 1), (ROWS_100, 100), (ROWS_1000, 1_000)];

fn main() -> ExitCode {
    let mut cases = vec![disk::case()];
    cases.extend(BATCHES.map(|(lane, batch)| {
        Case::durable(lane, "rusqlite", "sqlite", move |bench| rusqlite::run(bench, &lane, batch))
    }));
    cases.extend(BATCHES.map(|(lane, batch)| {
        Case::durable(lane, "sqlx", "sqlite", move |bench| sqlx::run(bench, lane, batch))
    }));
    bench_kit::run(cases)
}
