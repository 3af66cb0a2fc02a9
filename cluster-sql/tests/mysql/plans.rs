//! Every question is answered by way of an index at a million rows, counted or not: the server
//! plans anew each time it is asked.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{TestDatabase, join, outcome, request};
use cluster_core::id::{Key, KeyDigest, RequestId, Seq, ShardId, StateVersion};
use cluster_core::storage::{
    Accepted, Batch, EntityScan, EntityStorage, Fence, KeyRow, MessageStorage, OwnershipStorage,
    PendingScan, RemovalWrite, RequestRow, RetentionClass, RetireScan, StateKey, StateWrite,
};
use cluster_core::time::{Clock, Timestamp};
use cluster_sql::MySql;
use sqlx::{AssertSqlSafe, Executor, MySqlConnection, Row};

/// Finished requests and states.
const ROWS: u64 = 1_000_000;

/// Statements that read a table of few rows whole, or the first row of any table.
const MAY_SCAN: [&str; 12] = [
    "EndAllFences",  // live incarnations: one
    "Runners",       // the last starts: few
    "CountGroups",   // shard groups: few
    "FreeShards",    // shards: few, and only when a runner starts or ends
    "FreeAllShards", // the same
    "InheritMarks",  // the same
    "OwnedShards",   // the same
    "LowestMark",    // shards, when their pending requests are loaded
    "MoveMarks",     // the same, when marks move
    "AnyAttempt",    // the first row
    "Contracts",     // asks for all
    "ForgetRunners", // starts of runners: the last few
];

/// The parts of a packet are run where the storage writes.
fn is_explained(name: &str) -> bool {
    !name.starts_with("Packet")
}

/// A statement with values in it: hexadecimal ones are a number where a number is asked for.
fn with_values(name: &str, text: &str) -> String {
    let entity = "entity_type = 0x31 AND entity_id = 0x31";
    let deferred = "execution = 5 AND name = 0x31 AND occurrence = 1";
    let conditions = match name {
        "TakeShards" => "(1, 1, 1, 0)".to_owned(),
        "States" => format!("{entity} OR {entity}2"),
        "Reminders" => format!("{entity} AND message = 5 OR {entity}2 AND message = 5"),
        "Deferreds" => format!("{deferred} OR {deferred}2"),
        _ => "500001, 500003, 500005".to_owned(),
    };
    let ids = ["Requests", "Keys", "StillThere"].contains(&name);
    let list = if ids { "0x31, 0x32".to_owned() } else { conditions };
    let text = text.replace("{list}", &list);
    let text = text.replace("LIMIT ?", "LIMIT 100").replace("OFFSET ?", "OFFSET 100");
    text.replace('?', "0x31")
}

/// The steps of a statement that read a table, or all entries of an index.
async fn scans(tool: &mut MySqlConnection, name: &str, text: &str) -> Vec<String> {
    let mut bad = Vec::new();
    for text in with_values(name, text).split("; ") {
        let explain = format!("EXPLAIN {text}");
        let steps = tool.fetch_all(sqlx::raw_sql(AssertSqlSafe(explain))).await;
        for step in steps.unwrap_or_else(|error| panic!("{name}: {error}: {text}")) {
            let word = |at: &str| step.try_get_unchecked::<Option<String>, _>(at).unwrap();
            let (table, way) = (word("table").unwrap_or_default(), word("type"));
            let whole = matches!(way.as_deref(), Some("ALL" | "index"));
            // What only inserts reads nothing, and says so.
            let inserts = text.starts_with("INSERT") && word("Extra").is_none();
            if whole && !inserts && !table.starts_with('<') {
                bad.push(format!("{name}: {table} ({way:?}, {:?})", word("Extra")));
            }
        }
    }
    bad
}

async fn assert_no_scan(tool: &mut MySqlConnection, when: &str) {
    let mut bad = Vec::new();
    for (name, text) in MySql::statements("cluster_") {
        if is_explained(&name) && !MAY_SCAN.contains(&&*name) {
            bad.extend(scans(tool, &name, &text).await);
        }
    }
    assert_eq!(bad, Vec::<String>::new(), "scans {when}");
}

/// Fills the tables behind the storage's back: every thousandth request is pending, the rest is
/// finished; every other one has a key.
async fn fill(tool: &mut MySqlConnection) {
    let text = format!(
        "INSERT INTO cluster_request (seq, shard, epoch, class, accepted_at, message, id,
            entity_type, entity_id, key_digest, `key`, arguments)
        SELECT seq, seq % 256, 1, 2, 0, 5, LPAD(seq, 16, '0'), 'Account', CONCAT('e', seq),
            IF(seq % 2, UNHEX(SHA2(seq, 256)), NULL), IF(seq % 2, 'k', NULL),
            'twenty bytes of them' FROM seq_1_to_{ROWS};
        INSERT INTO cluster_outcome SELECT seq, seq % 256, 1, 0, 0, 'ten bytes.'
            FROM seq_1_to_{ROWS} WHERE seq % 1000 <> 0;
        INSERT INTO cluster_behind SELECT seq, seq % 256, 'Account', CONCAT('e', seq)
            FROM seq_1_to_{ROWS}
            WHERE seq % 1000 = 0 AND seq <= {ROWS} - 20000;
        UPDATE cluster_shard SET mark = {ROWS} - 20000;
        UPDATE cluster_fence SET mark = {ROWS} - 20000;
        INSERT INTO cluster_state SELECT 'Account', CONCAT('e', seq), seq % 256, 0, 1, 1,
            'twenty bytes of them' FROM seq_1_to_{ROWS}"
    );
    tool.execute(sqlx::raw_sql(AssertSqlSafe(text))).await.unwrap();
}

// proves: B116
#[tokio::test]
async fn every_question_is_short_at_a_million_rows() {
    let Some(backend) = TestDatabase::make().await else { return };
    let storage = backend.options().connect().await.unwrap();
    let fence = join(&storage).await;
    let mut tool = backend.tool().await;
    fill(&mut tool).await;
    assert_no_scan(&mut tool, "before the rows are counted").await;
    for table in ["request", "outcome", "state", "behind", "due", "attempt"] {
        let count = format!("ANALYZE TABLE cluster_{table}");
        tool.fetch_all(sqlx::raw_sql(AssertSqlSafe(count))).await.unwrap();
    }
    assert_no_scan(&mut tool, "at a million rows").await;

    // Through the storage: a scan in each of these would take many minutes together.
    let clock = Clock::system();
    let started = clock.now();
    for round in 0..100 {
        assert_asked(&storage, fence, round).await;
        assert_written(&storage, fence, round).await;
        if round % 10 == 0 {
            assert_cleared(&storage, fence, 300_000 + round).await;
        }
    }
    let taken = clock.now() - started;
    assert!(taken < Duration::from_secs(60), "a thousand questions took {taken:?}");
}

async fn assert_asked(storage: &MySql, fence: Fence, round: u64) {
    let after = Seq::new(round * 9_000);
    let scan = PendingScan { after, entity: None, limit: 10, bytes: usize::MAX };
    assert_eq!(storage.load_pending(fence, scan).await.unwrap().len(), 10);
    let entity = Some(account(1_000 * (round + 200)));
    let scan = PendingScan { after: Seq::new(0), entity, limit: 10, bytes: usize::MAX };
    assert_eq!(storage.load_pending(fence, scan).await.unwrap().len(), 1);
    let id = RequestId::from_bytes(*b"0000000000500000");
    assert!(storage.find_requests(vec![id]).await.unwrap()[0].is_some());
    assert!(storage.highest_seq().await.unwrap() >= Seq::new(ROWS));
    let keys = (0..100).map(|number| account(700_000 + number + round)).collect();
    let states = storage.load_states(keys).await.unwrap();
    assert!(states.iter().all(Option::is_some));
}

async fn assert_written(storage: &MySql, fence: Fence, round: u64) {
    let rows = vec![keyed(ROWS + round + 1, round), keyed(ROWS * 2 + round, round)];
    let batch = Batch { accepts: rows, ..Batch::default() };
    let accepts = storage.commit(fence, Arc::new(batch)).await.unwrap().accepts;
    assert!(matches!(accepts[..], [Accepted::New, Accepted::SameKey(_)]), "{accepts:?}");
    // Outcomes far from each other, with registered requests between them.
    let state = StateWrite {
        key: account(round + 1),
        epoch: request(1).epoch,
        from: StateVersion::new(1),
        to: StateVersion::new(2),
        payload: request(1).arguments,
    };
    let outcomes = vec![outcome((round + 1) * 1_000), outcome(ROWS + round + 1)];
    let batch = Batch { outcomes, states: vec![state], ..Batch::default() };
    storage.commit(fence, Arc::new(batch)).await.unwrap();
    let scan = RetireScan {
        finished_before: [Timestamp::from_unix_ms(1); RetentionClass::COUNT],
        after: Seq::new(500_000 + round * 2_000),
        limit: 10,
        reached: None,
    };
    assert_eq!(storage.retire(fence, scan).await.unwrap().removed, 10);
}

/// Clears the entity that the request of this number is for.
async fn assert_cleared(storage: &MySql, fence: Fence, number: u64) {
    let entity = account(number);
    let scan = EntityScan { entity: entity.clone(), after: Seq::new(0), limit: 10 };
    let found = storage.requests_of(scan.clone()).await.unwrap();
    assert_eq!(found.iter().map(|found| found.seq.as_u64()).collect::<Vec<_>>(), [number]);
    let removals = vec![RemovalWrite { seq: found[0].seq, shard: entity.shard }];
    let forgotten = vec![entity];
    let batch = Batch { removals, forgotten, ..Batch::default() };
    storage.commit(fence, Arc::new(batch)).await.unwrap();
    assert_eq!(storage.requests_of(scan).await.unwrap(), []);
}

fn account(number: u64) -> StateKey {
    let shard = ShardId::new((number % 256) as u32);
    let entity_id = format!("e{number}").as_str().into();
    StateKey { shard, entity_type: "Account".into(), entity_id }
}

/// A request whose key is one of many.
fn keyed(seq: u64, key: u64) -> RequestRow {
    let row = RequestRow { entity_id: "e".into(), shard: ShardId::new(1), ..request(seq) };
    let key = Key::new(format!("key {key}")).unwrap();
    let digest = KeyDigest::of(&row.entity_type, &row.entity_id, row.message, &key);
    RequestRow { key: Some(KeyRow { digest, key }), class: RetentionClass::Keyed, ..row }
}
