//! What goes wrong with a server, and what it is set to: told clearly, and nothing is lost.

use std::sync::Arc;

use crate::support::{TestDatabase, accept, join, outcome, request};
use crate::views::assert_shown;
use bytes::Bytes;
use cluster_core::id::{Epoch, Key, KeyDigest, Seq, ShardId, StateVersion};
use cluster_core::storage::{
    Accepted, Batch, Fence, KeyRow, MessageStorage, OwnershipStorage, PendingScan, RequestRow,
    StateKey, StateWrite, StorageError, TransactionStorage,
};
use cluster_sql::MySql;
use sqlx::{AssertSqlSafe, Executor, MySqlConnection};

async fn run(tool: &mut MySqlConnection, text: &str) {
    tool.execute(sqlx::raw_sql(AssertSqlSafe(text.to_owned()))).await.unwrap();
}

/// The connection of this database that waits for a lock.
async fn one_waits(tool: &mut MySqlConnection, backend: &TestDatabase) -> i64 {
    loop {
        if let [one] = backend.those_waiting(tool).await[..] {
            return one;
        }
        tokio::task::yield_now().await;
    }
}

fn key(id: &str) -> StateKey {
    StateKey { shard: ShardId::new(1), entity_type: "Account".into(), entity_id: id.into() }
}

fn write(id: &str, from: u64) -> StateWrite {
    StateWrite {
        key: key(id),
        epoch: Epoch::new(1),
        from: StateVersion::new(from),
        to: StateVersion::new(from + 1),
        payload: Bytes::from_static(b"state"),
    }
}

fn states(writes: Vec<StateWrite>) -> Arc<Batch> {
    Arc::new(Batch { states: writes, ..Batch::default() })
}

async fn version(storage: &MySql, id: &str) -> u64 {
    let state = storage.load_states(vec![key(id)]).await.unwrap().remove(0);
    state.map_or(0, |row| row.version.as_u64())
}

async fn start() -> Option<(TestDatabase, MySql, Fence)> {
    let backend = TestDatabase::make().await?;
    let storage = backend.options().connect().await.unwrap();
    let fence = join(&storage).await;
    Some((backend, storage, fence))
}

/// Whoever makes the tables may end in the middle: they are there, and no version.
// proves: B114
#[tokio::test]
async fn tables_that_were_left_half_made_are_made() {
    let Some(backend) = TestDatabase::make().await else { return };
    drop(backend.options().connect().await.unwrap());
    let mut tool = backend.tool().await;
    run(&mut tool, "DELETE FROM cluster_meta; DROP TABLE cluster_contract").await;
    let storage = backend.options().connect().await.unwrap();
    assert!(storage.load_pending(join(&storage).await, all()).await.unwrap().is_empty());
}

fn all() -> PendingScan {
    PendingScan { after: Seq::new(0), entity: None, limit: 1_000, bytes: usize::MAX }
}

#[tokio::test]
async fn what_the_server_cannot_take_is_refused_at_the_start() {
    let Some(backend) = TestDatabase::make().await else { return };
    let refused = backend.options().payload_bytes_max(12 << 20).connect().await.unwrap_err();
    let text = refused.to_string();
    assert!(matches!(refused, StorageError::BadSetting { .. }), "{refused:?}");
    assert!(text.contains("max_allowed_packet"), "{text}");
    for url in ["mysql://u:secret@127.0.0.1:1", "postgres://u:secret@h/d", "secret"] {
        let refused = MySql::connect(url).await.unwrap_err();
        assert!(matches!(refused, StorageError::BadSetting { setting: "url", .. }), "{refused:?}");
        assert!(!format!("{refused} {refused:?}").contains("secret"));
    }
    let unreachable = MySql::connect("mysql://u:secret@127.0.0.1:1/d").await.unwrap_err();
    assert!(matches!(unreachable, StorageError::Unavailable { .. }), "{unreachable:?}");
    assert!(!format!("{unreachable} {unreachable:?}").contains("secret"));
}

/// Texts are what they are whatever the database's own character set is: nothing of ours takes its
/// default, and connections do not either.
#[tokio::test]
async fn the_character_set_of_the_database_does_not_matter() {
    let Some(backend) = TestDatabase::make().await else { return };
    let mut tool = backend.tool().await;
    let alter =
        format!("ALTER DATABASE {} CHARACTER SET latin1 COLLATE latin1_bin", backend.name());
    run(&mut tool, &alter).await;
    assert_shown(&backend).await;
    let defaults = "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = ? \
        AND character_set_name <> 'utf8mb4'";
    let defaults = sqlx::query_scalar::<_, i64>(defaults).bind(backend.name());
    assert_eq!(defaults.fetch_one(&mut tool).await.unwrap(), 0);
    let storage = backend.options().connect().await.unwrap();
    let mut open = storage.begin().await.unwrap();
    let connection: &mut MySqlConnection = open.connection().downcast_mut().unwrap();
    let sets = "SELECT CONCAT_WS(' ', @@character_set_client, @@character_set_connection, \
        @@character_set_results)";
    let sets: String = sqlx::query_scalar(sets).fetch_one(connection).await.unwrap();
    assert_eq!(sets, "utf8mb4 utf8mb4 utf8mb4");
    open.rollback().await;
}

/// More than a packet takes: written statement by statement.
#[tokio::test]
async fn a_batch_larger_than_a_packet_is_written() {
    let Some((_backend, storage, fence)) = start().await else { return };
    let large = |seq| RequestRow { arguments: vec![seq as u8; 4 << 20].into(), ..request(seq) };
    accept(&storage, fence, (1..=6).map(large).collect()).await;
    let found = storage.load_pending(fence, all()).await.unwrap();
    let sizes: Vec<usize> = found.iter().map(|row| row.request.arguments.len()).collect();
    assert_eq!(sizes, [4 << 20; 6]);
    for (row, seq) in found.iter().zip(1_u8..) {
        assert!(row.request.arguments.iter().all(|byte| *byte == seq));
    }
}

fn keyed(seq: u64, key: u64) -> RequestRow {
    let row = RequestRow { entity_id: "e".into(), shard: ShardId::new(1), ..request(seq) };
    let key = Key::new(format!("key {key}")).unwrap();
    let digest = KeyDigest::of(&row.entity_type, &row.entity_id, row.message, &key);
    RequestRow { key: Some(KeyRow { digest, key }), ..row }
}

/// Known requests do not make the rest of a large batch slow: it is still one packet.
#[tokio::test]
async fn known_requests_are_left_out_of_a_large_batch() {
    let Some((backend, storage, fence)) = start().await else { return };
    accept(&storage, fence, (1..=500).map(|seq| keyed(seq, seq)).collect()).await;
    let mut rows: Vec<_> = (501..=1_000).map(|seq| keyed(seq, seq - 250)).collect();
    rows.push(keyed(1_001, 750));
    let batch = Batch { accepts: rows, outcomes: vec![outcome(7)], ..Batch::default() };
    let mut tool = backend.tool().await;
    let before = statements(&mut tool).await;
    let accepts = storage.commit(fence, Arc::new(batch)).await.unwrap().accepts;
    let sent = statements(&mut tool).await - before;
    let is_new = |accepted: &Accepted| matches!(accepted, Accepted::New);
    let known = |row: &Accepted, seq| matches!(row, Accepted::SameKey(known) if known.seq == seq);
    for (accepted, key) in accepts[..250].iter().zip(251..) {
        assert!(known(accepted, Seq::new(key)), "{accepted:?}");
    }
    assert!(accepts[250..500].iter().all(is_new));
    assert!(known(&accepts[500], Seq::new(1_000)));
    assert_eq!(storage.load_pending(fence, all()).await.unwrap().len(), 749);
    assert!(sent < 500, "{sent} statements of all tests at this time");
}

/// How many packets the server has been sent by anybody.
async fn statements(tool: &mut MySqlConnection) -> i64 {
    let text = "SELECT CAST(variable_value AS SIGNED) FROM information_schema.global_status \
        WHERE variable_name = 'QUESTIONS'";
    sqlx::query_scalar(text).fetch_one(tool).await.unwrap()
}

/// What a user has set in one transaction is not there in the next, however the former has ended:
/// rolled back, committed by one packet, or row by row.
#[tokio::test]
async fn a_connection_is_given_back_as_it_was() {
    let Some(backend) = TestDatabase::make().await else { return };
    let storage = backend.options().connections(3).connect().await.unwrap();
    let fence = join(&storage).await;
    let role = format!("{}_role", backend.name());
    run(&mut backend.tool().await, &format!("CREATE OR REPLACE ROLE {role}")).await;
    let settings = "SELECT CONCAT(@@sql_mode, @@time_zone, @@autocommit, @@foreign_key_checks, \
        @@tx_isolation, @@tx_read_only, @@completion_type, YEAR(NOW()) > 1970, \
        @@check_constraint_checks, @@group_concat_max_len, @@auto_increment_increment, \
        IFNULL(CURRENT_ROLE(), 'none'), DATABASE(), CONNECTION_ID())";
    let by_rows = |seq| Batch { accepts: vec![request(seq)], ..Batch::default() };
    let mut seen = Vec::new();
    for (completion, commits) in [
        ("CHAIN", None),
        ("RELEASE", None),
        ("CHAIN", Some(Batch::default())),
        ("RELEASE", Some(Batch::default())),
        ("CHAIN", Some(by_rows(1))),
        ("RELEASE", Some(by_rows(2))),
        ("CHAIN", None),
    ] {
        let mut open = storage.begin().await.unwrap();
        let connection: &mut MySqlConnection = open.connection().downcast_mut().unwrap();
        let now: String = sqlx::query_scalar(settings).fetch_one(&mut *connection).await.unwrap();
        seen.push(now);
        let spoil = format!(
            "SET SESSION sql_mode = '', time_zone = '-07:00', foreign_key_checks = 0, \
            check_constraint_checks = 0, timestamp = 86400, group_concat_max_len = 4, \
            auto_increment_increment = 7, completion_type = '{completion}'; SET ROLE {role}; \
            SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY"
        );
        run(connection, &spoil).await;
        match commits {
            Some(batch) => drop(open.commit(fence, Arc::new(batch)).await.unwrap()),
            None => {
                run(connection, "USE information_schema").await;
                open.rollback().await;
            }
        }
    }
    assert!(seen.iter().all(|now| *now == seen[0]), "{seen:?}");
    assert!(seen[0].contains("STRICT_ALL_TABLES"), "{seen:?}");
    assert!(seen[0].contains("+00:00OFFONREAD-COMMITTEDOFFNO_CHAIN"), "{seen:?}");
}

/// The server ends the transaction of a batch, for another one and this wait for each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_is_ended_for_a_deadlock_is_written_again() {
    let Some((backend, storage, fence)) = start().await else { return };
    storage.commit(fence, states(vec![write("a", 0), write("b", 0)])).await.unwrap();
    let mut tool = backend.tool().await;
    // Who has changed more goes on.
    let begin = "CREATE TABLE heavy (n INT); START TRANSACTION; \
        INSERT INTO heavy SELECT seq FROM seq_1_to_1000; \
        SELECT 1 FROM cluster_state WHERE entity_id = 'b' FOR UPDATE";
    run(&mut tool, begin).await;
    let commits = storage.clone();
    let commit = tokio::spawn(async move {
        commits.commit(fence, states(vec![write("a", 1), write("b", 1)])).await
    });
    let mut watch = backend.tool().await;
    one_waits(&mut watch, &backend).await;
    run(&mut tool, "SELECT 1 FROM cluster_state WHERE entity_id = 'a' FOR UPDATE").await;
    run(&mut tool, "COMMIT").await;
    commit.await.unwrap().unwrap();
    assert_eq!((version(&storage, "a").await, version(&storage, "b").await), (2, 2));
}

/// The connection of a batch is cut in the middle of it: nobody knows what became of it, until the
/// fence is raised.
// proves: B109
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_connection_is_cut_is_unknown_and_may_be_repeated() {
    let Some((backend, storage, fence)) = start().await else { return };
    storage.commit(fence, states(vec![write("a", 0)])).await.unwrap();
    let mut tool = backend.tool().await;
    run(&mut tool, "START TRANSACTION; SELECT 1 FROM cluster_state FOR UPDATE").await;
    let batch = states(vec![write("b", 0), write("a", 1)]);
    let (commits, same) = (storage.clone(), batch.clone());
    let commit = tokio::spawn(async move { commits.commit(fence, same).await });
    let mut watch = backend.tool().await;
    let cut = one_waits(&mut watch, &backend).await;
    run(&mut watch, &format!("KILL {cut}")).await;
    let unknown = commit.await.unwrap();
    assert!(matches!(unknown, Err(StorageError::UnknownOutcome { .. })), "{unknown:?}");
    run(&mut tool, "ROLLBACK").await;
    let raised = storage.raise_fence(fence).await.unwrap();
    storage.commit(raised, batch.clone()).await.unwrap();
    storage.commit(raised, batch).await.unwrap();
    assert_eq!((version(&storage, "a").await, version(&storage, "b").await), (2, 1));
}

/// A server that ends statements after a time may do so between two of a batch, or after its commit
/// and before it says so: on our connections it ends none.
// proves: B44
#[tokio::test]
async fn a_limit_on_the_time_of_statements_is_not_for_ours() {
    let Some(backend) = TestDatabase::make().await else { return };
    backend.connect().await.unwrap();
    let url = backend.add_user().await;
    let limit = format!("ALTER USER {}_user@'%' WITH MAX_STATEMENT_TIME 0.5", backend.name());
    backend.tool().await.execute(sqlx::raw_sql(AssertSqlSafe(limit))).await.unwrap();
    let storage = MySql::connect(url).await.unwrap();
    let mut open = storage.begin().await.unwrap();
    let connection = open.connection().downcast_mut::<MySqlConnection>().unwrap();
    let limit = sqlx::query_scalar("SELECT CAST(@@max_statement_time * 1000 AS SIGNED)");
    let limit: i64 = limit.fetch_one(connection).await.unwrap();
    assert_eq!(limit, 0);
}

/// The server has ended a handler's transaction for a deadlock, and the handler goes on as if
/// nothing were: what it then writes is not the server's to commit.
// proves: B49
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_ignores_a_deadlock_writes_nothing() {
    let Some((backend, storage, fence)) = start().await else { return };
    let mut tool = backend.tool().await;
    // Who has changed more goes on.
    let begin = "CREATE TABLE heavy (n INT); CREATE TABLE sold (n INT); \
        CREATE TABLE stock (n INT PRIMARY KEY); INSERT INTO stock VALUES (1), (2); \
        START TRANSACTION; INSERT INTO heavy SELECT seq FROM seq_1_to_1000; \
        SELECT 1 FROM stock WHERE n = 2 FOR UPDATE";
    run(&mut tool, begin).await;
    let mut open = storage.begin().await.unwrap();
    let connection: &mut MySqlConnection = open.connection().downcast_mut().unwrap();
    run(connection, "INSERT INTO sold VALUES (1); SELECT 1 FROM stock WHERE n = 1 FOR UPDATE")
        .await;
    let other = tokio::spawn(async move {
        run(&mut tool, "SELECT 1 FROM stock WHERE n = 1 FOR UPDATE; COMMIT").await;
    });
    let mut watch = backend.tool().await;
    one_waits(&mut watch, &backend).await;
    let deadlock = connection.execute("SELECT 1 FROM stock WHERE n = 2 FOR UPDATE").await;
    assert!(deadlock.unwrap_err().to_string().contains("Deadlock"));
    run(connection, "INSERT INTO sold VALUES (2)").await;
    let refused = open.commit(fence, states(vec![write("a", 0)])).await;
    assert!(matches!(refused, Err(StorageError::TransactionEnded)), "{refused:?}");
    other.await.unwrap();
    let sold: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM sold").fetch_one(&mut watch).await.unwrap();
    assert_eq!((sold, version(&storage, "a").await), (0, 0));
}
