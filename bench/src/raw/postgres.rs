//! PostgreSQL: a batch is one statement with UNNEST, prepared once.

use sqlx::{Executor, PgConnection};

use super::{Columns, RawCall, RawServer, SAMPLES};
use crate::servers::Postgresql;

const WRITE: &str = "WITH a AS (INSERT INTO cluster_request (seq, shard, epoch, class, \
    accepted_at, message, id, entity_type, entity_id, digest_1, digest_2, digest_3, digest_4, key, \
    arguments) \
    SELECT unnest($1::bigint[]), unnest($2::bigint[]), unnest($3::bigint[]), \
    unnest($4::bigint[]), unnest($5::bigint[]), unnest($6::bigint[]), unnest($7::bytea[]), \
    unnest($8::bytea[]), unnest($9::bytea[]), unnest($10::bigint[]), unnest($11::bigint[]), \
    unnest($12::bigint[]), unnest($13::bigint[]), unnest($14::bytea[]), unnest($15::bytea[])), \
    o AS (INSERT INTO cluster_outcome (seq, shard, epoch, finished_at, kind, payload) \
    SELECT unnest($1::bigint[]), unnest($2::bigint[]), unnest($3::bigint[]), \
    unnest($5::bigint[]), unnest($16::bigint[]), unnest($17::bytea[])) \
    INSERT INTO cluster_state (shard, version, epoch, entity_type, entity_id, payload) \
    SELECT unnest($2::bigint[]), unnest($1::bigint[]), unnest($3::bigint[]), unnest($8::bytea[]), \
    unnest($9::bytea[]), unnest($18::bytea[]) ON CONFLICT (entity_type, entity_id) DO UPDATE \
    SET version = excluded.version, epoch = excluded.epoch, payload = excluded.payload";

const UPDATE: &str = "UPDATE account SET balance = balance + 1 WHERE id = $1";
const REQUEST: &str = "INSERT INTO cluster_request (seq, shard, epoch, class, accepted_at, \
    message, id, entity_type, entity_id, digest_1, digest_2, digest_3, digest_4, key, arguments) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
const OUTCOME: &str = "INSERT INTO cluster_outcome (seq, shard, epoch, finished_at, kind, payload) \
    VALUES ($1, $2, $3, $4, $5, $6)";
const STATE: &str = "INSERT INTO cluster_state (shard, version, epoch, entity_type, entity_id, \
    payload) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (entity_type, entity_id) DO UPDATE \
    SET version = excluded.version, epoch = excluded.epoch, payload = excluded.payload";

impl RawServer for Postgresql {
    async fn samples(tool: &mut PgConnection) -> Vec<Columns> {
        sqlx::query_as(SAMPLES).fetch_all(tool).await.expect("the product has called")
    }

    async fn write(tool: &mut PgConnection, calls: &[RawCall]) {
        let integers = |of: fn(&RawCall) -> i64| calls.iter().map(of).collect::<Vec<i64>>();
        let query = sqlx::query(WRITE)
            .bind(integers(|call| call.seq))
            .bind(integers(|call| call.sample.shard))
            .bind(integers(|call| call.sample.epoch))
            .bind(integers(|call| call.sample.class))
            .bind(integers(|call| call.at_ms))
            .bind(integers(|call| call.sample.message))
            .bind(bytes(calls, |call| Some(&call.id)))
            .bind(bytes(calls, |call| Some(&call.sample.entity_type)))
            .bind(bytes(calls, |call| Some(&call.sample.entity_id)))
            .bind(digests(calls, 0))
            .bind(digests(calls, 1))
            .bind(digests(calls, 2))
            .bind(digests(calls, 3))
            .bind(bytes(calls, |call| Some(call.key.as_ref()?.text.as_bytes())))
            .bind(bytes(calls, |call| Some(&call.sample.arguments)))
            .bind(integers(|call| call.sample.kind))
            .bind(bytes(calls, |call| Some(&call.sample.outcome)))
            .bind(bytes(calls, |call| Some(&call.sample.state)));
        query.execute(tool).await.expect("the rows are new");
    }

    async fn transact(tool: &mut PgConnection, account: i64, call: Option<&RawCall>) {
        tool.execute("BEGIN").await.expect("no transaction is open");
        let update = sqlx::query(UPDATE).bind(account);
        update.execute(&mut *tool).await.expect("the row is there");
        if let Some(call) = call {
            write_one(tool, call).await;
        }
        tool.execute("COMMIT").await.expect("nothing is in the way");
    }
}

/// One part of the digests.
fn digests(calls: &[RawCall], part: usize) -> Vec<Option<i64>> {
    calls.iter().map(|call| Some(call.key.as_ref()?.digest[part])).collect()
}

/// Writes the rows of a call one by one.
async fn write_one(tool: &mut PgConnection, call: &RawCall) {
    let sample = &*call.sample;
    let request = sqlx::query(REQUEST)
        .bind(call.seq)
        .bind(sample.shard)
        .bind(sample.epoch)
        .bind(sample.class)
        .bind(call.at_ms)
        .bind(sample.message)
        .bind(&call.id[..])
        .bind(&sample.entity_type)
        .bind(&sample.entity_id)
        .bind(call.key.as_ref().map(|key| key.digest[0]))
        .bind(call.key.as_ref().map(|key| key.digest[1]))
        .bind(call.key.as_ref().map(|key| key.digest[2]))
        .bind(call.key.as_ref().map(|key| key.digest[3]))
        .bind(call.key.as_ref().map(|key| key.text.as_bytes()))
        .bind(&sample.arguments);
    request.execute(&mut *tool).await.expect("the row is new");
    let outcome = sqlx::query(OUTCOME)
        .bind(call.seq)
        .bind(sample.shard)
        .bind(sample.epoch)
        .bind(call.at_ms)
        .bind(sample.kind)
        .bind(&sample.outcome);
    outcome.execute(&mut *tool).await.expect("the row is new");
    let state = sqlx::query(STATE)
        .bind(sample.shard)
        .bind(call.seq)
        .bind(sample.epoch)
        .bind(&sample.entity_type)
        .bind(&sample.entity_id)
        .bind(&sample.state);
    state.execute(&mut *tool).await.expect("nothing is in the way");
}

/// A column of bytes.
fn bytes<'c>(
    calls: &'c [RawCall],
    of: impl Fn(&'c RawCall) -> Option<&'c [u8]>,
) -> Vec<Option<&'c [u8]>> {
    calls.iter().map(of).collect()
}
