//! A schema of its own for each test, on the server that all tests share.

#[path = "../support/cut.rs"]
mod cut;
#[path = "../../../tests/support/postgres.rs"]
mod place;
#[path = "../support/rows.rs"]
mod rows;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cluster_core::storage::{Storage, StorageError};
use cluster_core::testing::suite::Backend;
use cluster_sql::{Postgres, PostgresOptions};
pub(crate) use cut::{Commits, cut_after_commits};
use place::Schema;
pub(crate) use rows::{accept, join, outcome, request};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use test_servers::{Kind, shared};

/// The storage, and a connection of a tool.
pub(crate) type Connected = Postgres;
pub(crate) type Tool = PgConnection;

/// What differs in the statements of a user.
pub(crate) const MAKE_SOLD: &str = "CREATE TABLE sold (number BIGSERIAL, sku TEXT)";
pub(crate) const SELL: &str = "INSERT INTO sold (sku) VALUES ($1)";
/// A statement that ends the transaction, and those of others that commit what was done before.
pub(crate) const ENDS: &str = "SELECT 1 / 0";
pub(crate) const COMMITTING: &[&str] = &["COMMIT", "COMMIT; BEGIN"];

/// Takes ten minutes.
pub(crate) const SLEEP: &str = "SELECT pg_sleep(600)";

/// Keeps everybody else from a table, and no longer.
pub(crate) const LOCK_JOURNAL: &str = "BEGIN; LOCK TABLE cluster_journal";
pub(crate) const UNLOCK_JOURNAL: &str = "ROLLBACK";

/// What differs in what people ask and see.
pub(crate) const DUE_DAY: &str = "to_char(due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')";
pub(crate) const PAYLOAD: &str = "convert_from(payload, 'UTF8')";
pub(crate) const NUL: &str = "\\000";

/// What differs in URLs.
pub(crate) const TLS_MODE: &str = "sslmode";
pub(crate) const BAD_TLS: &str = "sslmode=verify-full&sslrootcert=/no/such/file";

pub(crate) const COMMITS: Commits = Commits { asked: b"; COMMIT;", said };

/// What is said of the statements up to the one that commits.
fn said(answer: &[u8]) -> Option<usize> {
    let word = b"COMMIT\0";
    let at = answer.windows(word.len()).position(|part| part == word)?;
    Some(at + word.len())
}

/// A schema of its own for one case.
pub(crate) struct TestDatabase(Schema);

impl TestDatabase {
    /// A new one; `None` without a server.
    pub(crate) async fn make() -> Option<Self> {
        Schema::new().await.map(TestDatabase)
    }

    /// A URL whose connections see this schema alone.
    pub(crate) fn url(&self) -> String {
        self.0.url.clone()
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    pub(crate) fn options(&self) -> PostgresOptions {
        Postgres::options(self.url())
    }

    /// The storage, with all defaults.
    pub(crate) async fn connect(&self) -> Result<Connected, StorageError> {
        self.options().connect().await
    }

    /// A connection of a tool.
    pub(crate) async fn tool(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.expect("the server answers")
    }

    /// A user who may read and write rows, and nothing else; the URL that names him.
    pub(crate) async fn add_user(&self) -> String {
        let name = self.name();
        let statements = format!(
            "CREATE ROLE {name}_user LOGIN PASSWORD 'p'; \
            GRANT USAGE ON SCHEMA {name} TO {name}_user; \
            GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {name} TO {name}_user"
        );
        let made = self.tool().await.execute(sqlx::raw_sql(AssertSqlSafe(statements))).await;
        made.expect("a superuser may");
        let url = self.url();
        let (_, place) = url.split_once('@').expect("the URL names a user");
        format!("postgres://{name}_user:p@{place}")
    }

    /// How many connections of this schema wait for locks.
    pub(crate) async fn waiting(&self, tool: &mut PgConnection) -> usize {
        let text = "SELECT count(DISTINCT l.pid) FROM pg_locks l WHERE NOT l.granted AND l.pid IN (\
            SELECT o.pid FROM pg_locks o JOIN pg_class c ON c.oid = o.relation \
            JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1)";
        let waiting = sqlx::query_scalar(text).bind(self.name()).fetch_one(tool).await;
        let waiting: i64 = waiting.expect("a superuser may");
        waiting.try_into().expect("a number of connections")
    }

    /// Ends the one connection that has a transaction open in this schema.
    pub(crate) async fn end_open_transaction(&self) {
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
            WHERE application_name LIKE 'cluster\\_%' AND pid <> pg_backend_pid() \
            AND pid IN (SELECT l.pid FROM pg_locks l JOIN pg_class c ON c.oid = l.relation \
            JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1)";
        let mut tool = self.tool().await;
        let ended = sqlx::query_scalar(end).bind(self.name()).fetch_one(&mut tool).await;
        assert_eq!(ended.unwrap_or(0_i64), 1, "the one with the open transaction");
    }
}

impl Backend for TestDatabase {
    fn is_available() -> bool {
        shared(Kind::Postgres).is_some()
    }

    async fn fresh() -> Self {
        TestDatabase::make().await.expect("there is a server")
    }

    async fn open(&self, prefix: &str) -> Arc<dyn Storage> {
        Arc::new(self.options().prefix(prefix).connect().await.expect("the tables can be made"))
    }
}

/// Behind a pooler that keeps no prepared statements and no settings: a table prefix of its own for
/// each case.
pub(crate) struct PooledBackend {
    url: String,
    number: u32,
}

impl PooledBackend {
    /// A storage whose tables have this prefix among the case's.
    pub(crate) fn options(&self, prefix: &str) -> PostgresOptions {
        let prefix = format!("p{}_{}_{prefix}", std::process::id(), self.number);
        Postgres::options(&self.url).prepared_statements(false).prefix(prefix)
    }
}

impl Backend for PooledBackend {
    fn is_available() -> bool {
        shared(Kind::Pgbouncer).is_some()
    }

    async fn fresh() -> Self {
        static CASES: AtomicU32 = AtomicU32::new(0);
        let url = shared(Kind::Pgbouncer).expect("there is a pooler");
        PooledBackend { url, number: CASES.fetch_add(1, Ordering::Relaxed) }
    }

    async fn open(&self, prefix: &str) -> Arc<dyn Storage> {
        Arc::new(self.options(prefix).connect().await.expect("the tables can be made"))
    }
}
