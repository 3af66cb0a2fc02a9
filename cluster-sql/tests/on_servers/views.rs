//! What people see of a cluster by SQL.

use crate::support::{DUE_DAY, NUL, PAYLOAD, TestDatabase, Tool, join, outcome, request};
use bytes::Bytes;
use cluster_core::id::{Epoch, Key, KeyDigest, Seq, StateVersion};
use cluster_core::storage::{
    AttemptWrite, Batch, ContractRow, ContractStorage, DeadWrite, HoldWrite, InboxNumber, KeyRow,
    MessageStorage, Missing, NoWish, RequestRow, StateKey, StateWrite, Wish, Wished,
};
use cluster_core::time::Timestamp;
use sqlx::{AssertSqlSafe, Executor};

async fn lines(tool: &mut Tool, text: &str) -> Vec<String> {
    let rows = sqlx::query_scalar(AssertSqlSafe(text.to_owned())).persistent(false);
    rows.fetch_all(tool).await.unwrap()
}

/// One request in each place: seq 1 has ended, 2 is dead, 3 is held, 4 is due, 5 waits for its next
/// attempt, 6 is pending, 7 and 8 are due at the last and at the first time that can be said.
async fn fill(backend: &TestDatabase) {
    let storage = backend.connect().await.unwrap();
    let fence = join(&storage).await;
    let contract = ContractRow {
        entity_type: "Account".into(),
        name: "withdraw".into(),
        tag: request(1).message,
        arguments: 1,
        reply: 2,
        error: 3,
    };
    // One that was renamed under its tag keeps its old name's row.
    let renamed = ContractRow { name: "withdraw_more".into(), ..contract.clone() };
    storage.store_contracts(vec![contract, renamed]).await.unwrap();
    let entity_id = "nul\0".into();
    let mut last = RequestRow { entity_id, ..request(6) };
    let key = Key::new("größe").unwrap();
    let digest = KeyDigest::of(&last.entity_type, &last.entity_id, last.message, &key);
    last.key = Some(KeyRow { digest, key });
    let mut accepts: Vec<_> = (1..=5).map(request).collect();
    accepts[3].due_at = Some(Timestamp::from_unix_ms(86_400_000));
    let state = StateWrite {
        key: StateKey {
            shard: last.shard,
            entity_type: last.entity_type.clone(),
            entity_id: last.entity_id.clone(),
        },
        epoch: Epoch::new(1),
        from: StateVersion::default(),
        to: StateVersion::new(3),
        payload: Bytes::from_static(b"state"),
    };
    accepts.push(last);
    for (seq, ms) in [(7, i64::MAX), (8, i64::MIN)] {
        accepts.push(RequestRow { due_at: Some(Timestamp::from_unix_ms(ms)), ..request(seq) });
    }
    storage.commit(fence, Batch { accepts, ..Batch::default() }.into()).await.unwrap();
    let (epoch, at) = (Epoch::new(1), Timestamp::from_unix_ms(0));
    let shard = |seq: u64| request(seq).shard;
    let batch = Batch {
        outcomes: vec![outcome(1)],
        dead: vec![DeadWrite {
            seq: Seq::new(2),
            shard: shard(2),
            epoch,
            attempts: 7,
            died_at: at,
            error: "bad byte \0".into(),
        }],
        holds: vec![HoldWrite {
            seq: Seq::new(3),
            shard: shard(3),
            epoch,
            held_at: at,
            missing: Missing::Message,
        }],
        attempts: vec![AttemptWrite {
            seq: Seq::new(5),
            shard: shard(5),
            epoch,
            attempts: 2,
            retry_at: at,
            in_order: false,
            error: "once\0more".into(),
        }],
        states: vec![state],
        ..Batch::default()
    };
    storage.commit(fence, batch.into()).await.unwrap();
}

#[tokio::test]
async fn people_see_names_words_and_times() {
    let Some(backend) = TestDatabase::make().await else { return };
    assert_shown(&backend).await;
}

/// Fills a database; all of it is shown as it is.
pub(crate) async fn assert_shown(backend: &TestDatabase) {
    fill(backend).await;
    let mut tool = backend.tool().await;
    let tool = &mut tool;
    let all = "SELECT concat_ws(' ', seq, entity_type, entity_id, message, r.key, status, \
        failed_attempts, last_error) FROM cluster_requests r ORDER BY seq";
    assert_eq!(
        lines(tool, all).await,
        [
            "1 Account e1 withdraw finished 0",
            &format!("2 Account e2 withdraw dead 7 bad byte {NUL}"),
            "3 Account e3 withdraw held 0",
            "4 Account e4 withdraw due 0",
            &format!("5 Account e5 withdraw due 2 once{NUL}more"),
            &format!("6 Account nul{NUL} withdraw größe pending 0"),
            "7 Account e7 withdraw due 0",
            "8 Account e8 withdraw due 0",
        ]
    );
    let due = format!("SELECT {DUE_DAY} FROM cluster_requests WHERE seq = 4");
    assert_eq!(lines(tool, &due).await, ["1970-01-02"]);
    // All columns can be shown.
    let rows = tool.fetch_all(sqlx::raw_sql("SELECT * FROM cluster_requests")).await.unwrap();
    assert_eq!(rows.len(), 8);
    let ends = format!("SELECT concat_ws(' ', seq, kind, {PAYLOAD}) FROM cluster_outcomes");
    assert_eq!(lines(tool, &ends).await, ["1 ok done"]);
    let waiting = "SELECT concat_ws(' ', seq, status, held_for) FROM cluster_pending_requests \
        ORDER BY seq";
    assert_eq!(
        lines(tool, waiting).await,
        ["3 held message", "4 due", "5 due", "6 pending", "7 due", "8 due"]
    );
    let dead = "SELECT concat_ws(' ', seq, failed_attempts, last_error) FROM cluster_dead_letters";
    assert_eq!(lines(tool, dead).await, [format!("2 7 bad byte {NUL}")]);
    let states = format!(
        "SELECT concat_ws(' ', entity_type, entity_id, version, {PAYLOAD}) \
        FROM cluster_entity_states"
    );
    assert_eq!(lines(tool, &states).await, [format!("Account nul{NUL} 3 state")]);
}

async fn run(tool: &mut Tool, text: &str) -> Result<(), sqlx::Error> {
    tool.execute(sqlx::raw_sql(AssertSqlSafe(text.to_owned()))).await.map(drop)
}

// What they write into the inbox is understood, beside what runs; what cannot be is refused, or is
// read as what it is.
#[tokio::test]
async fn people_ask_by_rows_of_the_inbox() {
    let Some(backend) = TestDatabase::make().await else { return };
    fill(&backend).await;
    let mut tool = backend.tool().await;
    let tool = &mut tool;
    let storage = backend.connect().await.unwrap();
    let insert = "INSERT INTO cluster_inbox (request, wish)";
    run(tool, &format!("{insert} SELECT id, 'redrive' FROM cluster_dead_letters")).await.unwrap();
    run(tool, &format!("{insert} SELECT upper(id), 'cancel' FROM cluster_requests WHERE seq = 6"))
        .await
        .unwrap();
    run(tool, &format!("{insert} VALUES ('größe', 'discard')")).await.unwrap();
    let long = "x".repeat(65);
    for refused in
        ["('1', 'delete')", "('1', NULL)", "(NULL, 'cancel')", &format!("('{long}', 'cancel')")]
    {
        assert!(run(tool, &format!("{insert} VALUES {refused}")).await.is_err(), "{refused}");
    }
    let rows = storage.inbox(InboxNumber::FIRST, 9).await.unwrap();
    let wished: Vec<_> = rows.iter().map(|row| row.wished.clone()).collect();
    let of = |seq: u64, wish: Wish| Ok(Wished { request: request(seq).id, wish });
    let no_wish = NoWish { request: "größe".to_owned(), wish: "discard".to_owned() };
    assert_eq!(wished, [of(2, Wish::Redrive), of(6, Wish::Cancel), Err(no_wish)]);
}
