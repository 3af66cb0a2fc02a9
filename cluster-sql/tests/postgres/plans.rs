//! Every question is answered by way of an index: at a million rows, and by plans that were made
//! when the tables were new, for the server keeps those until it has counted the rows again.

use std::collections::BTreeSet;

use crate::support::{TestDatabase, join};
use cluster_core::id::{Seq, ShardId};
use cluster_core::storage::{
    Batch, EntityScan, EntityStorage, Fence, MessageStorage, RemovalWrite, StateKey,
};
use cluster_sql::Postgres;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};

/// Finished requests and states.
const ROWS: u64 = 1_000_000;

/// The server's default.
const JIT_ABOVE_COST: f64 = 100_000.0;

/// Tables that grow with what a cluster does. The others have a row for each shard, runner, message
/// type or setting.
const LARGE: [&str; 14] = [
    "alive", "attempt", "behind", "chunk", "dead", "deferred", "due", "held", "journal", "outcome",
    "reminder", "request", "shape", "state",
];

/// Those that the test fills: those that are known to be empty are read whole.
const FILLED: [&str; 4] = ["behind", "outcome", "request", "state"];

/// It looks whether what is registered has ended, beside everything else.
const MAY_SCAN: [&str; 1] = ["ForgetBehind: cluster_behind"];

/// A plan of the server, that of any values.
async fn plan(tool: &mut PgConnection, text: &str, values: Option<&[&str]>) -> Value {
    let parameters = (1..=64).rev().find(|at| text.contains(&format!("${at}"))).unwrap_or(0);
    let nulls = vec!["NULL"; parameters];
    let list = values.unwrap_or(&nulls).join(", ");
    let list = if list.is_empty() { list } else { format!("({list})") };
    let analyze = if values.is_some() { "ANALYZE, BUFFERS, " } else { "" };
    for text in [
        "SET plan_cache_mode = force_generic_plan".to_owned(),
        "DEALLOCATE ALL; BEGIN".to_owned(),
        format!("PREPARE asked AS {text}"),
    ] {
        tool.execute(sqlx::raw_sql(AssertSqlSafe(text))).await.unwrap();
    }
    let explain = format!("EXPLAIN ({analyze}FORMAT JSON) EXECUTE asked{list}");
    let row = tool.fetch_one(sqlx::raw_sql(AssertSqlSafe(explain))).await.unwrap();
    tool.execute("ROLLBACK").await.unwrap();
    let mut plans: Value = serde_json::from_str(row.get_unchecked::<&str, _>(0)).unwrap();
    plans[0]["Plan"].take()
}

/// The tables that a plan reads whole.
fn scanned(node: &Value, found: &mut BTreeSet<String>) {
    // One that asks whether there is any row ends with the first.
    let whether = node["Parent Relationship"] == "InitPlan" || node["Node Type"] == "Limit";
    if node["Node Type"] == "Seq Scan" && !whether {
        found.insert(node["Relation Name"].as_str().unwrap().to_owned());
    }
    for child in node["Plans"].as_array().into_iter().flatten() {
        let first = whether && node["Node Type"] == "Limit" && child["Node Type"] == "Seq Scan";
        if !first || !child["Filter"].is_null() {
            scanned(child, found);
        }
    }
}

async fn assert_no_scan(tool: &mut PgConnection, tables: &[&str], when: &str) {
    let mut bad = Vec::new();
    for (name, text) in Postgres::statements("cluster_") {
        let mut found = BTreeSet::new();
        scanned(&plan(tool, &text, None).await, &mut found);
        let large =
            |table: &&String| tables.iter().any(|name| **table == format!("cluster_{name}"));
        bad.extend(found.iter().filter(large).map(|table| format!("{name}: {table}")));
    }
    bad.retain(|scan| !MAY_SCAN.contains(&scan.as_str()));
    assert_eq!(bad, Vec::<String>::new(), "scans {when}");
}

/// Fills the tables behind the storage's back: every thousandth request is pending, the rest is
/// finished; every other one has a key.
async fn fill(tool: &mut PgConnection) {
    let text = format!(
        "SET synchronous_commit = off;
        INSERT INTO cluster_request (seq, shard, epoch, class, accepted_at, message, id,
            entity_type, entity_id, digest_1, digest_2, digest_3, digest_4, key, arguments)
        SELECT n, n % 256, 1, 2, 0, 5, convert_to(lpad(n::text, 16, '0'), 'UTF8'),
            'Account', convert_to('e' || n, 'UTF8'),
            d.digest, d.digest, d.digest, d.digest, CASE n % 2 WHEN 1 THEN 'k'::bytea END,
            'twenty bytes of them' FROM generate_series(1, {ROWS}) n, LATERAL
            (SELECT CASE n % 2 WHEN 1 THEN hashint8extended(n, 0) END AS digest) d;
        INSERT INTO cluster_outcome SELECT n, n % 256, 1, 0, 0, 'ten bytes.'
            FROM generate_series(1, {ROWS}) n WHERE n % 1000 <> 0;
        INSERT INTO cluster_behind SELECT n, n % 256, 'Account', convert_to('e' || n, 'UTF8')
            FROM generate_series(1, {ROWS}) n
            WHERE n % 1000 = 0 AND n <= {ROWS} - 20000;
        UPDATE cluster_shard SET mark = {ROWS} - 20000;
        INSERT INTO cluster_state SELECT n % 256, 1, 1, 'Account', convert_to('e' || n, 'UTF8'),
            'twenty bytes of them' FROM generate_series(1, {ROWS}) n;"
    );
    tool.execute(sqlx::raw_sql(AssertSqlSafe(text))).await.unwrap();
}

/// The server compiles what it estimates to cost more than `jit_above_cost`, which takes it longer
/// than to run any of these; its estimates grow with the tables, and here they have grown already.
async fn assert_estimated_cheap(tool: &mut PgConnection, when: &str) {
    let mut dear = Vec::new();
    for (name, text) in Postgres::statements("cluster_") {
        let cost = plan(tool, &text, None).await["Total Cost"].as_f64().unwrap();
        if cost >= JIT_ABOVE_COST {
            dear.push(format!("{name}: {cost}"));
        }
    }
    assert_eq!(dear, Vec::<String>::new(), "are compiled {when}");
}

/// Makes the server believe that there are so many times as many rows.
async fn grow(tool: &mut PgConnection, times: u64) {
    let text = format!(
        "UPDATE pg_class SET reltuples = reltuples * {times} \
        WHERE reltuples > 0 AND relnamespace = current_schema()::regnamespace"
    );
    tool.execute(sqlx::raw_sql(AssertSqlSafe(text))).await.unwrap();
}

/// Runs a statement as if for any values; it reads few pages and finds something.
async fn assert_short(tool: &mut PgConnection, name: &str, values: &[&str], pages_max: u64) {
    let statements = Postgres::statements("cluster_");
    let (_, text) = statements.iter().find(|(known, _)| *known == name).expect("a statement");
    let plan = plan(tool, text, Some(values)).await;
    let count = |what: &str| plan[what].as_f64().unwrap_or_default() as u64;
    let pages = count("Shared Hit Blocks") + count("Shared Read Blocks");
    assert!(count("Actual Rows") > 0, "{name} finds something");
    assert!(pages <= pages_max, "{name} reads {pages} pages: {plan:#}");
}

// proves: B116
#[tokio::test]
async fn every_question_is_short_at_a_million_rows() {
    let Some(backend) = TestDatabase::make().await else { return };
    let storage = backend.options().connect().await.unwrap();
    let fence = join(&storage).await;
    let mut tool = backend.tool().await;
    assert_no_scan(&mut tool, &LARGE, "while the tables are new").await;
    fill(&mut tool).await;
    assert_no_scan(&mut tool, &LARGE, "before the rows are counted").await;
    tool.execute("VACUUM ANALYZE").await.unwrap();
    assert_no_scan(&mut tool, &FILLED, "at a million rows").await;
    assert_questions_are_short(&mut tool, fence).await;
    grow(&mut tool, 100).await;
    assert_estimated_cheap(&mut tool, "at a hundred million rows").await;
    for number in [300_000, 300_001] {
        assert_cleared(&storage, fence, number).await;
    }
    // Hundreds of megabytes.
    let drop = format!("DROP SCHEMA {} CASCADE", backend.name());
    tool.execute(sqlx::raw_sql(AssertSqlSafe(drop))).await.unwrap();
}

async fn assert_questions_are_short(tool: &mut PgConnection, fence: Fence) {
    let owner = fence.incarnation.as_u64().to_string();
    let number = fence.number.as_u64().to_string();
    let (owner, number) = (owner.as_str(), number.as_str());
    // A page of a hundred rows: each a few levels of a few indexes.
    let page = 3_000;
    assert_short(tool, "Fence", &[owner], 10).await;
    assert_short(tool, "HighestSeq", &[], 10).await;
    assert_short(tool, "Requests", &["ARRAY['0000000000500000'::bytea]"], 40).await;
    let digest = "ARRAY[hashint8extended(500001, 0)]";
    assert_short(tool, "Keys", &[digest, digest, digest, digest], 40).await;
    let state = ["ARRAY['Account'::bytea]", "ARRAY['e700000'::bytea]"];
    assert_short(tool, "States", &state, 10).await;
    // A window of those above the marks; all that are registered.
    let window = 30_000;
    assert_short(tool, "LoadPending", &["980001", "1000", owner, "1000000"], window).await;
    assert_short(tool, "LoadPending", &["0", "1000", owner, "1000000"], window).await;
    // Of one entity: what is above the mark in its part, and one that is registered.
    let of = ["0", "10", owner, "500000 % 256", "'Account'", "'e500000'", "1000000"];
    assert_short(tool, "LoadPendingOf", &of, 10_000).await;
    assert_short(tool, "Past", &["900000", "100"], page).await;
    assert_short(tool, "EndOfWindow", &["7", "499000", "10000"], 12_000).await;
    let window = ["500000 % 256", "480000", "520000", "'Account'", "'e500000'", "1000"];
    assert_short(tool, "RequestsOf", &window, 12_000).await;
    let accepts = "ARRAY[2000001], ARRAY['a new request id'::bytea], ARRAY[1], ARRAY[1], ARRAY[2], \
        ARRAY[0], ARRAY[NULL]::bigint[], ARRAY[NULL]::bytea[], ARRAY[5], ARRAY['A'::bytea], \
        ARRAY['e'::bytea], ARRAY[1], ARRAY[2], ARRAY[3], ARRAY[4], ARRAY['k'::bytea], \
        ARRAY[NULL]::bytea[], ARRAY[NULL]::text[], ARRAY['a'::bytea], ARRAY[NULL]::bigint[]";
    let outcomes = "ARRAY[600000], ARRAY[1], ARRAY[1], ARRAY[0], ARRAY[0], ARRAY['o'::bytea]";
    let states = "ARRAY['Account'::bytea], ARRAY['e5'::bytea], ARRAY[-2], ARRAY[2], ARRAY[1], \
        ARRAY['s'::bytea]";
    assert_short(tool, "CommitAccepts", &[owner, number, accepts], 100).await;
    assert_short(tool, "CommitOutcomes", &[owner, number, outcomes], 100).await;
    assert_short(tool, "CommitStates", &[owner, number, states], 100).await;
}

/// Clears the entity that the request of this number is for.
async fn assert_cleared(storage: &Postgres, fence: Fence, number: u64) {
    let shard = ShardId::new((number % 256) as u32);
    let entity_id = format!("e{number}").as_str().into();
    let entity = StateKey { shard, entity_type: "Account".into(), entity_id };
    let scan = EntityScan { entity: entity.clone(), after: Seq::new(0), limit: 10 };
    let found = storage.requests_of(scan.clone()).await.unwrap();
    assert_eq!(found.iter().map(|found| found.seq.as_u64()).collect::<Vec<_>>(), [number]);
    let removals = vec![RemovalWrite { seq: found[0].seq, shard }];
    let forgotten = vec![entity];
    let batch = Batch { removals, forgotten, ..Batch::default() };
    storage.commit(fence, batch.into()).await.unwrap();
    assert_eq!(storage.requests_of(scan).await.unwrap(), []);
}
