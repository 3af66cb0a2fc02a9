//! What the server may do to a transaction: deadlocks and serialization failures are tried again.
//! What it may be set to: an encoding that has not all characters is refused.
//! What a handler may do to its connection: the next one does not see it.

use std::sync::Arc;

use crate::support::{PooledBackend, TestDatabase, join, outcome, request};
use bytes::Bytes;
use cluster_core::id::{Epoch, ShardId, StateVersion};
use cluster_core::storage::{
    Batch, Fence, MessageStorage, OpenTransaction, StateKey, StateWrite, StorageError,
    TransactionStorage,
};
use cluster_core::testing::suite::Backend;
use cluster_sql::Postgres;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

fn key(id: &str) -> StateKey {
    StateKey { shard: ShardId::new(1), entity_type: "Shop".into(), entity_id: id.into() }
}

fn state(id: &str, from: u64) -> StateWrite {
    StateWrite {
        key: key(id),
        epoch: Epoch::new(1),
        from: StateVersion::new(from),
        to: StateVersion::new(from + 1),
        payload: Bytes::from_static(b"state"),
    }
}

fn states(from: u64) -> Arc<Batch> {
    Batch { states: vec![state("a", from), state("b", from)], ..Batch::default() }.into()
}

async fn run(tool: &mut PgConnection, text: &str) {
    tool.execute(sqlx::raw_sql(AssertSqlSafe(text.to_owned()))).await.unwrap();
}

/// Somebody else has what the batch needs next, and needs what it has: the server ends the batch's
/// transaction, which is made again.
// proves: B109
#[tokio::test]
async fn a_deadlock_is_tried_again() {
    let Some(backend) = TestDatabase::make().await else { return };
    let storage = backend.options().connect().await.unwrap();
    let fence = join(&storage).await;
    storage.commit(fence, states(0)).await.unwrap();
    let (mut tool, mut watch) = (backend.tool().await, backend.tool().await);
    // So that it is the other one that ends.
    run(&mut tool, "SET deadlock_timeout = '1h'; BEGIN").await;
    run(&mut tool, "UPDATE cluster_state SET epoch = 7 WHERE entity_id = 'b'").await;
    let committing = storage.clone();
    let commit = tokio::spawn(async move { committing.commit(fence, states(1)).await });
    while backend.waiting(&mut watch).await == 0 {
        tokio::task::yield_now().await;
    }
    run(&mut tool, "UPDATE cluster_state SET epoch = 7 WHERE entity_id = 'a'; COMMIT").await;
    commit.await.unwrap().unwrap();
    let found = storage.load_states(vec![key("a"), key("b")]).await.unwrap();
    assert!(found.iter().all(|row| row.as_ref().unwrap().version == StateVersion::new(2)));
    let deadlocks = "SELECT deadlocks > 0 FROM pg_stat_database WHERE datname = current_database()";
    // The server counts a moment later.
    loop {
        if sqlx::query_scalar(deadlocks).fetch_one(&mut watch).await.unwrap() {
            break;
        }
        tokio::task::yield_now().await;
    }
}

/// A database whose transactions are serializable unless they say otherwise refuses some of those
/// that run at once.
// proves: B105, B109
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serialization_failures_are_tried_again() {
    let Some(backend) = TestDatabase::make().await else { return };
    let url = format!("{}&options[default_transaction_isolation]=serializable", backend.url());
    let storage = Postgres::options(url).connect().await.unwrap();
    let fence = join(&storage).await;
    for seq in 1..=200 {
        let accepts = Batch { accepts: vec![request(seq)], ..Batch::default() };
        let ends = Batch { outcomes: vec![outcome(seq)], ..Batch::default() };
        for batch in [accepts, ends].map(Arc::new) {
            let commit = async {
                // As a runner does when the storage's own attempts were not enough.
                let mut refused = 0;
                while let Err(error) = storage.commit(fence, batch.clone()).await {
                    assert!(matches!(error, StorageError::Unavailable { .. }), "{error:?}");
                    refused += 1;
                    assert!(refused < 5, "{error:?}");
                }
            };
            // Who moves marks may fail: they move the next time.
            let (_, ()) = tokio::join!(storage.move_marks(fence), commit);
        }
    }
    let mut tool = backend.tool().await;
    let ended = "SELECT count(*) FROM cluster_requests WHERE status = 'finished'";
    let ended: i64 = sqlx::query_scalar(ended).fetch_one(&mut tool).await.unwrap();
    assert_eq!(ended, 200);
}

/// A database of another encoding has not all characters: nothing is made in it.
#[tokio::test]
async fn a_database_that_is_not_utf_8_is_refused() {
    let Some(backend) = TestDatabase::make().await else { return };
    let mut tool = backend.tool().await;
    let url = backend.url();
    let (server, _) = url.rsplit_once('/').unwrap();
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let name = format!("{}_{}", backend.name(), encoding.to_lowercase());
        let make = format!(
            "CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 \
            LC_COLLATE 'C' LC_CTYPE 'C'"
        );
        run(&mut tool, &make).await;
        let url = format!("{server}/{name}");
        for prepared in [true, false] {
            let options = Postgres::options(&url).prepared_statements(prepared);
            let refused = options.connect().await.unwrap_err();
            let StorageError::BadSetting { setting: "server_encoding", reason } = refused else {
                panic!("{refused:?}");
            };
            assert!(reason.contains(encoding) && reason.contains("UTF8"), "{reason}");
        }
        let mut there = PgConnection::connect(&url).await.unwrap();
        let ours = "SELECT count(*) FROM pg_class WHERE relname LIKE 'cluster%'";
        assert_eq!(sqlx::query_scalar::<_, i64>(ours).fetch_one(&mut there).await.unwrap(), 0);
        there.close().await.unwrap();
        run(&mut tool, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
    }
}

fn user(open: &mut dyn OpenTransaction) -> &mut PgConnection {
    open.connection().downcast_mut().unwrap()
}

async fn version(storage: &Postgres, id: &str) -> u64 {
    let state = storage.load_states(vec![key(id)]).await.unwrap().remove(0);
    state.map_or(0, |row| row.version.as_u64())
}

/// What a handler has set is not there for the next one, whether it was committed or not.
async fn settings_are_as_they_were(storage: &Postgres, fence: Fence, spoils: &[&str]) {
    let settings = "SELECT concat_ws(' ', current_user, session_user, \
        current_setting('search_path'), current_setting('statement_timeout'), \
        current_setting('TimeZone'), current_setting('DateStyle'), \
        current_setting('client_encoding'), coalesce(current_setting('app.who', true), ''))";
    let mut seen = Vec::new();
    for from in 0..4 {
        let mut open = storage.begin().await.unwrap();
        let connection = user(&mut *open);
        // As a statement that is sent as a whole, for the pooler.
        let now = sqlx::raw_sql(settings).fetch_one(&mut *connection).await.unwrap();
        seen.push(sqlx::Row::get_unchecked::<String, _>(&now, 0));
        for spoil in spoils {
            run(connection, spoil).await;
        }
        match from % 2 {
            0 => drop(open.commit(fence, state_of(from / 2)).await.unwrap()),
            _ => open.rollback().await,
        }
    }
    assert!(seen.iter().all(|now| *now == seen[0]), "{seen:?}");
}

/// What a user's own tables ask for at the commit fails in the way in which a gate does: it is told
/// as it is, and the fence holds on.
// proves: B49
#[tokio::test]
async fn a_constraint_that_divides_by_zero_at_the_commit_is_no_lost_fence() {
    let Some(backend) = TestDatabase::make().await else { return };
    let storage = backend.options().connect().await.unwrap();
    let fence = join(&storage).await;
    let mut tool = backend.tool().await;
    run(&mut tool, "CREATE TABLE shelf (room BIGINT)").await;
    run(
        &mut tool,
        "CREATE FUNCTION share() RETURNS trigger LANGUAGE plpgsql AS \
        $$ BEGIN PERFORM 1 / NEW.room; RETURN NEW; END $$",
    )
    .await;
    run(
        &mut tool,
        "CREATE CONSTRAINT TRIGGER shared AFTER INSERT ON shelf \
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION share()",
    )
    .await;
    let with_request = Batch { accepts: vec![request(1)], ..(*state_of(0)).clone() };
    for batch in [state_of(0), Arc::new(with_request)] {
        let mut open = storage.begin().await.unwrap();
        run(user(&mut *open), "INSERT INTO shelf VALUES (0)").await;
        let refused = open.commit(fence, batch).await.unwrap_err();
        let StorageError::TransactionRefused { source } = refused else { panic!("{refused:?}") };
        assert!(source.to_string().contains("division by zero"), "{source}");
    }
    assert_eq!(version(&storage, "a").await, 0);
    storage.begin().await.unwrap().commit(fence, state_of(0)).await.unwrap();
    assert_eq!(version(&storage, "a").await, 1);
}

fn state_of(from: u64) -> Arc<Batch> {
    Batch { states: vec![state("a", from)], ..Batch::default() }.into()
}

const SPOILS: [&str; 3] = [
    "SET statement_timeout = '77s'",
    "SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'German'",
    "SET app.who = 'somebody'",
];

#[tokio::test]
async fn a_connection_is_given_back_as_it_was() {
    let Some(backend) = TestDatabase::make().await else { return };
    // One connection for handlers.
    let url = format!("{}&options[statement_timeout]=66s", backend.url());
    let storage = Postgres::options(url).connections(3).connect().await.unwrap();
    let fence = join(&storage).await;
    backend.add_user().await;
    let role = format!("SET ROLE {}_user", backend.name());
    let spoils = ["SET search_path = pg_catalog", &role];
    settings_are_as_they_were(&storage, fence, &[&SPOILS[..], &spoils].concat()).await;
    assert_eq!(version(&storage, "a").await, 2);
}

#[tokio::test]
async fn a_pooled_connection_is_given_back_as_it_was() {
    if !PooledBackend::is_available() {
        return;
    }
    let options = PooledBackend::fresh().await.options("given_back");
    let storage = options.connections(3).connect().await.unwrap();
    let fence = join(&storage).await;
    settings_are_as_they_were(&storage, fence, &SPOILS).await;
}

/// A handler that looks into another schema, where another cluster's tables are, writes into its
/// own cluster's.
#[tokio::test]
async fn a_search_path_of_a_handler_does_not_lead_the_batch_astray() {
    let (Some(backend), Some(other)) = (TestDatabase::make().await, TestDatabase::make().await)
    else {
        return;
    };
    let storage = backend.options().connect().await.unwrap();
    let others = other.options().connect().await.unwrap();
    let (fence, _) = (join(&storage).await, join(&others).await);
    for (from, path) in (0..).zip([other.name(), "pg_catalog"]) {
        let mut open = storage.begin().await.unwrap();
        run(user(&mut *open), &format!("SET LOCAL search_path = {path}")).await;
        open.commit(fence, state_of(from)).await.unwrap();
        let mut open = storage.begin().await.unwrap();
        run(user(&mut *open), &format!("SET LOCAL search_path = {path}")).await;
        let accepts = Batch { accepts: vec![request(from + 1)], ..Batch::default() };
        open.commit(fence, accepts.into()).await.unwrap();
    }
    assert_eq!((version(&storage, "a").await, version(&others, "a").await), (2, 0));
}

/// Whoever ignores that a statement has failed commits nothing.
// proves: B49
#[tokio::test]
async fn a_transaction_with_a_failure_in_it_cannot_commit() {
    let Some(backend) = TestDatabase::make().await else { return };
    let storage = backend.options().connect().await.unwrap();
    let fence = join(&storage).await;
    run(&mut backend.tool().await, "CREATE TABLE sold (n bigint PRIMARY KEY)").await;
    for statement in ["SELECT 1 / 0", "SELECT pg_sleep(60)"] {
        let mut open = storage.begin().await.unwrap();
        let connection: &mut PgConnection = open.connection().downcast_mut().unwrap();
        run(connection, "INSERT INTO sold VALUES (1)").await;
        run(connection, "SET LOCAL statement_timeout = 50").await;
        connection.execute(statement).await.unwrap_err();
        let refused = open.commit(fence, states(0)).await;
        assert!(matches!(refused, Err(StorageError::TransactionFailed)), "{refused:?}");
    }
    let mut tool = backend.tool().await;
    let sold: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sold").fetch_one(&mut tool).await.unwrap();
    assert_eq!(sold, 0);
}

/// A trigger that runs at the commit, and fails as our own look at the transaction does, has not
/// ended it by hand.
#[tokio::test]
async fn what_a_trigger_says_is_not_taken_for_ours() {
    let Some(backend) = TestDatabase::make().await else { return };
    let storage = backend.options().connect().await.unwrap();
    let fence = join(&storage).await;
    let text = "CREATE TABLE sold (n bigint); \
        CREATE FUNCTION ask() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
        PERFORM current_setting('app.tenant'); RETURN NULL; END $$; \
        CREATE CONSTRAINT TRIGGER asks AFTER INSERT ON sold DEFERRABLE INITIALLY DEFERRED \
        FOR EACH ROW EXECUTE FUNCTION ask()";
    run(&mut backend.tool().await, text).await;
    let mut open = storage.begin().await.unwrap();
    let connection: &mut PgConnection = open.connection().downcast_mut().unwrap();
    run(connection, "INSERT INTO sold VALUES (1)").await;
    let refused = open.commit(fence, states(0)).await.unwrap_err();
    assert!(matches!(refused, StorageError::TransactionRefused { .. }), "{refused:?}");
    let source = std::error::Error::source(&refused).unwrap().to_string();
    assert!(source.contains("app.tenant"), "{source}");
}

/// What is there belongs to somebody else: that is no damage.
#[tokio::test]
async fn tables_that_it_may_not_read_are_told_as_that() {
    let Some(backend) = TestDatabase::make().await else { return };
    let mut tool = backend.tool().await;
    drop(backend.options().connect().await.unwrap());
    let role = format!("stranger_{}", std::process::id());
    let text =
        format!("CREATE ROLE {role} LOGIN PASSWORD 'x'; GRANT USAGE ON SCHEMA public TO {role}");
    run(&mut tool, &text).await;
    let url = backend.url();
    let (scheme, rest) = url.split_once("://").unwrap();
    let (_, place) = rest.split_once('@').unwrap();
    let denied = Postgres::connect(format!("{scheme}://{role}:x@{place}")).await.unwrap_err();
    assert!(matches!(denied, StorageError::Denied { .. }), "{denied:?}");
    run(&mut tool, &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}
