//! MariaDB: a batch is one packet of statements with all rows in their text.

use std::fmt::Write;

use sqlx::{AssertSqlSafe, Executor, MySqlConnection};

use super::{Columns, RawCall, RawServer, SAMPLES};
use crate::servers::Mariadb;

const REQUESTS: &str = "INSERT INTO cluster_request (seq, shard, epoch, class, accepted_at, \
    message, id, entity_type, entity_id, key_digest, `key`, arguments) VALUES ";
const OUTCOMES: &str =
    "INSERT INTO cluster_outcome (seq, shard, epoch, finished_at, kind, payload) VALUES ";
const STATES: &str = "INSERT INTO cluster_state (entity_type, entity_id, shard, previous, \
    version, epoch, payload) VALUES ";
const REPLACE: &str = " ON DUPLICATE KEY UPDATE payload = VALUES(payload), \
    epoch = VALUES(epoch), version = VALUES(version), previous = VALUES(previous)";

const UPDATE: &str = "UPDATE account SET balance = balance + 1 WHERE id = ?";

impl RawServer for Mariadb {
    async fn samples(tool: &mut MySqlConnection) -> Vec<Columns> {
        sqlx::query_as(SAMPLES).fetch_all(tool).await.expect("the product has called")
    }

    async fn write(tool: &mut MySqlConnection, calls: &[RawCall]) {
        let mut packet = String::from("START TRANSACTION;\n");
        packet.push_str(REQUESTS);
        push_rows(&mut packet, calls, push_request);
        packet.push_str(";\n");
        packet.push_str(OUTCOMES);
        push_rows(&mut packet, calls, push_outcome);
        packet.push_str(";\n");
        packet.push_str(STATES);
        push_rows(&mut packet, calls, push_state);
        packet.push_str(REPLACE);
        packet.push_str(";\nCOMMIT");
        let packet = sqlx::raw_sql(AssertSqlSafe(packet));
        tool.execute(packet).await.expect("the rows are new");
    }

    async fn transact(tool: &mut MySqlConnection, account: i64, call: Option<&RawCall>) {
        run(tool, "START TRANSACTION".to_owned()).await;
        let update = sqlx::query(UPDATE).bind(account);
        update.execute(&mut *tool).await.expect("the row is there");
        if let Some(call) = call {
            for (table, push, end) in [
                (REQUESTS, push_request as PushRow, ""),
                (OUTCOMES, push_outcome, ""),
                (STATES, push_state, REPLACE),
            ] {
                let mut text = table.to_owned();
                push(&mut text, call);
                text.push_str(end);
                run(tool, text).await;
            }
        }
        run(tool, "COMMIT".to_owned()).await;
    }
}

type PushRow = fn(&mut String, &RawCall);

async fn run(tool: &mut MySqlConnection, text: String) {
    tool.execute(sqlx::raw_sql(AssertSqlSafe(text))).await.expect("nothing is in the way");
}

fn push_rows(text: &mut String, calls: &[RawCall], push: PushRow) {
    for (at, call) in calls.iter().enumerate() {
        if at > 0 {
            text.push_str(",\n");
        }
        push(text, call);
    }
}

fn push_request(text: &mut String, call: &RawCall) {
    let sample = &*call.sample;
    let (seq, at_ms) = (call.seq, call.at_ms);
    let (shard, epoch, class, message) = (sample.shard, sample.epoch, sample.class, sample.message);
    push(text, format_args!("({seq},{shard},{epoch},{class},{at_ms},{message},"));
    push_bytes(text, &call.id);
    text.push(',');
    push_bytes(text, &sample.entity_type);
    text.push(',');
    push_bytes(text, &sample.entity_id);
    match &call.key {
        Some(key) => {
            text.push(',');
            push_bytes(text, &key.digest.map(i64::to_be_bytes).concat());
            text.push(',');
            push_bytes(text, key.text.as_bytes());
        }
        None => text.push_str(",NULL,NULL"),
    }
    text.push(',');
    push_bytes(text, &sample.arguments);
    text.push(')');
}

fn push_outcome(text: &mut String, call: &RawCall) {
    let sample = &*call.sample;
    let (seq, at_ms) = (call.seq, call.at_ms);
    let (shard, epoch, kind) = (sample.shard, sample.epoch, sample.kind);
    push(text, format_args!("({seq},{shard},{epoch},{at_ms},{kind},"));
    push_bytes(text, &sample.outcome);
    text.push(')');
}

fn push_state(text: &mut String, call: &RawCall) {
    let sample = &*call.sample;
    let (seq, shard, epoch) = (call.seq, sample.shard, sample.epoch);
    text.push('(');
    push_bytes(text, &sample.entity_type);
    text.push(',');
    push_bytes(text, &sample.entity_id);
    push(text, format_args!(",{shard},{},{seq},{epoch},", seq - 1));
    push_bytes(text, &sample.state);
    text.push(')');
}

fn push(text: &mut String, part: std::fmt::Arguments<'_>) {
    text.write_fmt(part).expect("texts take everything");
}

/// A literal of bytes.
fn push_bytes(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    text.push_str("x'");
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text.push('\'');
}
