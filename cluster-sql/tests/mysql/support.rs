//! A database of its own for each test, on the server that all tests share.

#[path = "../support/cut.rs"]
mod cut;
#[path = "../../../tests/support/mysql.rs"]
mod place;
#[path = "../support/rows.rs"]
mod rows;

use std::sync::Arc;

use cluster_core::storage::{Storage, StorageError};
use cluster_core::testing::suite::Backend;
use cluster_sql::{MySql, MySqlOptions};
pub(crate) use cut::{Commits, cut_after_commits};
use place::Database;
pub(crate) use rows::{accept, join, outcome, request};
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection, Row};
use test_servers::{Kind, shared};

/// The storage, and a connection of a tool.
pub(crate) type Connected = MySql;
pub(crate) type Tool = MySqlConnection;

/// What differs in the statements of a user.
pub(crate) const MAKE_SOLD: &str =
    "CREATE TABLE sold (number BIGINT AUTO_INCREMENT PRIMARY KEY, sku TEXT)";
pub(crate) const SELL: &str = "INSERT INTO sold (sku) VALUES (?)";
/// A statement that ends the transaction, for the server commits before it makes a table, and those
/// of others that commit what was done before.
pub(crate) const ENDS: &str = "CREATE TABLE other (number INT)";
pub(crate) const COMMITTING: &[&str] = &["COMMIT", "COMMIT; BEGIN", ENDS];

/// Takes ten minutes.
pub(crate) const SLEEP: &str = "SELECT SLEEP(600)";

/// Keeps everybody else from a table, and no longer.
pub(crate) const LOCK_JOURNAL: &str = "LOCK TABLES cluster_journal WRITE";
pub(crate) const UNLOCK_JOURNAL: &str = "UNLOCK TABLES";

/// What differs in what people ask and see.
pub(crate) const DUE_DAY: &str = "DATE_FORMAT(due_at, '%Y-%m-%d')";
pub(crate) const PAYLOAD: &str = "CONVERT(payload USING utf8mb4)";
pub(crate) const NUL: &str = "\0";

/// What differs in URLs.
pub(crate) const TLS_MODE: &str = "ssl-mode";
pub(crate) const BAD_TLS: &str = "ssl-mode=verify_identity&ssl-ca=/no/such/file";

pub(crate) const COMMITS: Commits = Commits { asked: b"COMMIT AND NO CHAIN", said };

/// The first packet of an answer: its first bytes say how long it is.
fn said(answer: &[u8]) -> Option<usize> {
    let [low, middle, high, _, ..] = *answer else { return None };
    let bytes = 4 + u32::from_le_bytes([low, middle, high, 0]) as usize;
    (answer.len() >= bytes).then_some(bytes)
}

/// A database of its own for one case.
pub(crate) struct TestDatabase(Database);

impl TestDatabase {
    /// A new one; `None` without a server.
    pub(crate) async fn make() -> Option<Self> {
        Database::new().await.map(TestDatabase)
    }

    /// A URL of this database alone.
    pub(crate) fn url(&self) -> String {
        self.0.url.clone()
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    pub(crate) fn options(&self) -> MySqlOptions {
        MySql::options(self.url())
    }

    /// The storage, with all defaults.
    pub(crate) async fn connect(&self) -> Result<Connected, StorageError> {
        self.options().connect().await
    }

    /// A connection of a tool.
    pub(crate) async fn tool(&self) -> MySqlConnection {
        MySqlConnection::connect(&self.url()).await.expect("the server answers")
    }

    /// A user who may read and write rows, and nothing else; the URL that names him.
    pub(crate) async fn add_user(&self) -> String {
        let name = self.name();
        let statements = format!(
            "CREATE OR REPLACE USER {name}_user@'%' IDENTIFIED BY 'p'; \
            GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.* TO {name}_user@'%'"
        );
        let made = self.tool().await.execute(sqlx::raw_sql(AssertSqlSafe(statements))).await;
        made.expect("a superuser may");
        let url = self.url();
        let (_, place) = url.split_once('@').expect("the URL names a user");
        format!("mysql://{name}_user:p@{place}")
    }

    /// How many connections of this database wait for locks.
    pub(crate) async fn waiting(&self, tool: &mut MySqlConnection) -> usize {
        self.those_waiting(tool).await.len()
    }

    /// The connections that wait for locks. The server's table of transactions would not do: it is
    /// not made anew for who asks again and again.
    pub(crate) async fn those_waiting(&self, tool: &mut MySqlConnection) -> Vec<i64> {
        let status = sqlx::raw_sql("SHOW ENGINE INNODB STATUS").fetch_one(&mut *tool).await;
        let status: String = status.expect("a superuser may").get_unchecked("Status");
        let (mut waits, mut waiting) = (false, Vec::new());
        for line in status.lines() {
            if line.starts_with("---TRANSACTION") {
                waits = false;
            } else if line.starts_with("LOCK WAIT") {
                waits = true;
            } else if let Some((_, words)) = line.split_once(" thread id ").filter(|_| waits) {
                let number = words.split(',').next().unwrap_or_default();
                waiting.push(number.parse::<i64>().expect("a number"));
            }
        }
        let here = "SELECT CAST(id AS SIGNED) FROM information_schema.processlist WHERE db = ?";
        let here = sqlx::query_scalar(here).bind(self.name()).fetch_all(tool).await;
        let here: Vec<i64> = here.expect("a superuser may");
        waiting.retain(|number| here.contains(number));
        waiting
    }

    /// Ends the one connection that has a transaction open in this database.
    pub(crate) async fn end_open_transaction(&self) {
        let mut tool = self.tool().await;
        let query = "SELECT CAST(t.trx_mysql_thread_id AS SIGNED) \
            FROM information_schema.innodb_trx t JOIN information_schema.processlist p \
            ON p.id = t.trx_mysql_thread_id WHERE p.db = ?";
        let open_ones = sqlx::query_scalar(query).bind(self.name()).fetch_all(&mut tool).await;
        let open_ones: Vec<i64> = open_ones.expect("a superuser may");
        let [one] = open_ones[..] else { panic!("one transaction is open: {open_ones:?}") };
        let kill = tool.execute(sqlx::raw_sql(AssertSqlSafe(format!("KILL {one}")))).await;
        kill.expect("a superuser may");
    }
}

impl Backend for TestDatabase {
    fn is_available() -> bool {
        shared(Kind::Mariadb).is_some()
    }

    async fn fresh() -> Self {
        TestDatabase::make().await.expect("there is a server")
    }

    async fn open(&self, prefix: &str) -> Arc<dyn Storage> {
        Arc::new(self.options().prefix(prefix).connect().await.expect("the tables can be made"))
    }
}
