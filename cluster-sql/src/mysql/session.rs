//! Statements on one connection.

use std::sync::Arc;
use std::time::Duration;

use cluster_core::storage::{Fence, StorageError};
use sqlx::mysql::{MySqlArguments, MySqlConnectOptions, MySqlQueryResult, MySqlRow};
use sqlx::{Arguments, AssertSqlSafe, ConnectOptions, Executor, MySqlConnection};

use super::dialect::MySqlDialect;
use super::error::{commit_error, is_duplicate, is_fence_lost, refused, sure};
use super::parameter::Parameter;
use super::takeover::Recorded;
use super::texts::{AllTexts, Own, Statement};
use crate::driver::Driver;
use crate::server::{Answers, End, IDLE_IN_TRANSACTION, Purpose, Refused, ServerSession};
use crate::sql::Sql;
use crate::value::{Columns, Value, integer};

/// What every connection is set to, whatever the server's defaults are, and again after a user has
/// had it: each statement sees what was committed when it began, all rows are read, values are
/// refused rather than changed to fit, the time is UTC, an idle connection stays, no statement is
/// ended in its middle, the end of a transaction begins none and ends no connection, and who waits
/// for a lock, of rows or of a table, is told that nothing was done before this process gives up on
/// an answer.
pub(super) fn settings(lock_timeout: Duration) -> Arc<str> {
    let seconds = lock_timeout.as_secs().clamp(1, LOCK_SECONDS_MAX);
    let locks = format!("innodb_lock_wait_timeout = {seconds}, lock_wait_timeout = {seconds}");
    format!("{SETTINGS}, {locks}").into()
}

/// The same, but for how long is waited for locks.
const SETTINGS: &str = "SET NAMES utf8mb4; \
    SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE; \
    SET SESSION sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', \
    time_zone = '+00:00', foreign_key_checks = 1, unique_checks = 1, sql_safe_updates = 0, \
    sql_select_limit = 18446744073709551615, sql_big_selects = 1, completion_type = 0, \
    wait_timeout = 2147483 /*M! , check_constraint_checks = 1, max_statement_time = 0 */";

/// What a user may have set that changes what statements do, and storages do not mind.
const USERS_OWN: &str = "group_concat_max_len = DEFAULT, sql_auto_is_null = DEFAULT, \
    div_precision_increment = DEFAULT, default_week_format = DEFAULT, lc_time_names = DEFAULT, \
    default_storage_engine = DEFAULT /*M! , timestamp = DEFAULT, \
    auto_increment_increment = DEFAULT, auto_increment_offset = DEFAULT, \
    idle_transaction_timeout = DEFAULT */";

/// The longest time that the server waits for a lock, in seconds: a year.
const LOCK_SECONDS_MAX: u64 = 31_536_000;

/// When what is written outside a transaction commits: at once, as the storage's statements rely
/// on; or never by itself. A server may end a handler's transaction, for a deadlock, and what the
/// handler writes then is rolled back. The storage's own transactions end by themselves when the
/// next statement does not come.
fn of_purpose(purpose: Purpose) -> String {
    match purpose {
        Purpose::Users => "autocommit = 0".to_owned(),
        Purpose::Storage => {
            let idle = IDLE_IN_TRANSACTION.as_secs();
            format!("autocommit = 1 /*M! , idle_transaction_timeout = {idle} */")
        }
    }
}

/// What the server says of itself.
const SERVER: &str = "SELECT @@max_allowed_packet, VERSION() LIKE '%MariaDB%', \
    @@log_bin AND @@binlog_format = 'STATEMENT', CAST(CONNECTION_ID() AS SIGNED) \
    /*M! , CURRENT_ROLE() */";

/// Room for what stands around the text in a packet.
const PACKET_MARGIN: usize = 1024;

/// A connection, and the texts of what is run on it. Statements with parameters are prepared when
/// first used, and kept by the driver; those with lists are sent as text.
pub(super) struct Session {
    pub(super) connection: MySqlConnection,
    pub(super) texts: Arc<AllTexts>,
    settings: Arc<str>,
    /// The statement that goes to the database of the tables.
    go_home: String,
    /// The role that a connection has from the beginning, as `SET` takes it.
    role: String,
    /// The server is a MariaDB.
    pub(super) has_compound_statements: bool,
    /// The largest packet that the server takes.
    pub(super) packet_bytes_max: usize,
    /// What is dropped with the connection, if it is written down.
    pub(super) recorded: Option<Recorded>,
    /// The server logs statements, which may do something else when they are done again.
    pub(super) logs_statements: bool,
    /// The server's number of the connection.
    pub(super) number: i64,
    answers: Answers,
}

impl Session {
    /// Connects, with nothing left to the server's defaults.
    pub(super) async fn connect(
        options: &MySqlConnectOptions,
        purpose: Purpose,
        texts: Arc<AllTexts>,
        settings: Arc<str>,
    ) -> Result<Session, StorageError> {
        let mut connection = options.connect().await.map_err(sure)?;
        let text = format!("{settings}, {}; {SERVER}", of_purpose(purpose));
        let rows = sqlx::raw_sql(AssertSqlSafe(text)).fetch_all(&mut connection).await;
        let rows = rows.map_err(sure)?;
        let number = |at: usize| rows.first().and_then(|row| row.integer(at));
        let role = rows.first().and_then(|row| Columns::bytes(row, 4)).map(String::from_utf8_lossy);
        let packet_bytes_max = number(0).and_then(|bytes| usize::try_from(bytes).ok());
        Ok(Session {
            connection,
            texts,
            settings,
            go_home: format!("USE {}", quoted(options.get_database().unwrap_or_default())),
            role: role.map_or_else(|| "NONE".to_owned(), |role| quoted(&role)),
            has_compound_statements: number(1) == Some(1),
            packet_bytes_max: packet_bytes_max.unwrap_or(0),
            logs_statements: number(2) == Some(1),
            recorded: None,
            number: number(3).unwrap_or(0),
            answers: Answers::default(),
        })
    }

    /// Whether a text of so many bytes fits into a packet.
    pub(super) fn takes(&self, bytes: usize) -> bool {
        bytes.saturating_add(PACKET_MARGIN) <= self.packet_bytes_max
    }

    /// Runs statements without parameters, in one packet, and reads all rows that they give.
    pub(super) async fn ask(&mut self, text: String) -> Result<Vec<MySqlRow>, sqlx::Error> {
        sqlx::raw_sql(AssertSqlSafe(text)).fetch_all(&mut self.connection).await
    }

    /// Ends the open transaction with nothing written, and sets back what a user may have set,
    /// also which database it is in: where that is another one, nothing of ours can commit.
    pub(super) async fn give_back(&mut self) -> Result<(), StorageError> {
        let text = format!("{}; {}; {}", Self::ROLLBACK, self.go_home, self.set_back());
        self.simple(text).await.map_err(sure)
    }

    /// The statement that sets back what a user may have set.
    pub(super) fn set_back(&self) -> String {
        let (settings, users, role) = (&self.settings, of_purpose(Purpose::Users), &self.role);
        format!("{settings}, {users}, {USERS_OWN} /*M! , ROLE {role} */")
    }

    /// Runs a packet that has a gate and commits.
    pub(super) async fn fenced(&mut self, fence: Fence, text: String) -> Result<(), StorageError> {
        self.simple(text).await.map_err(|error| match is_fence_lost(&error) {
            true => fence.lost(),
            false => commit_error(error),
        })
    }

    /// A statement that fails unless the fence holds, and has this mark; it is then kept to the
    /// transaction's end.
    pub(super) fn gate(&self, fence: Fence, mark: i64) -> String {
        format!(
            "SELECT IF(EXISTS(SELECT 1 FROM {}fence WHERE incarnation = {} AND number = {} \
            AND alive = 1 AND mark >= {mark} LOCK IN SHARE MODE), \
            1, (SELECT 1 UNION ALL SELECT 2))",
            self.texts.prefix,
            integer(fence.incarnation.as_u64()),
            integer(fence.number.as_u64()),
        )
    }

    /// Runs a query of this database alone.
    pub(super) async fn rows_of(
        &mut self,
        own: Own,
        values: &[Value<'_>],
    ) -> Result<Vec<MySqlRow>, StorageError> {
        let texts = self.texts.clone();
        let query = query(texts.own(own), values);
        query.fetch_all(&mut self.connection).await.map_err(sure)
    }

    /// Runs a statement of this database alone.
    pub(super) async fn run(&mut self, own: Own, values: &[Value<'_>]) -> Result<(), sqlx::Error> {
        let texts = self.texts.clone();
        query(texts.own(own), values).execute(&mut self.connection).await.map(drop)
    }

    /// Takes a request from where it waits for its turn; says whether it was there.
    async fn stop_waiting(&mut self, values: &[Value<'_>]) -> Result<bool, StorageError> {
        if self.query(Sql::DeletePending, values).await?.is_empty() {
            return Ok(false);
        }
        self.run(Own::ForgetTurn, values).await.map(|()| true).map_err(sure)
    }
}

/// A name as a statement takes it.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A statement with its parameters.
fn query<'q>(
    statement: &Statement,
    values: &[Value<'_>],
) -> sqlx::query::Query<'q, sqlx::MySql, MySqlArguments> {
    let mut arguments = MySqlArguments::default();
    for place in &statement.order {
        let value = values.get(*place).copied().unwrap_or(Value::Null);
        arguments.add(Parameter(value)).expect("values become bytes");
    }
    sqlx::query_with(AssertSqlSafe(statement.text.clone()), arguments)
}

/// Whether it does not matter that a row is there already.
fn may_be_there(sql: Sql) -> bool {
    matches!(
        sql,
        Sql::InsertRequest
            | Sql::InsertPending
            | Sql::InsertEntry
            | Sql::InsertDeferred
            | Sql::InsertState
            | Sql::InsertChunk
            | Sql::InsertShape
    )
}

impl ServerSession for Session {
    type Dialect = MySqlDialect;
    type Row = MySqlRow;
    const BEGIN: &'static str = "START TRANSACTION";
    /// Also where a user has set that a transaction or a connection is to follow its end.
    const ROLLBACK: &'static str = "ROLLBACK AND NO CHAIN NO RELEASE";

    fn refused(error: &sqlx::Error) -> Option<Refused> {
        refused(error)
    }

    fn answers(&self) -> &Answers {
        &self.answers
    }

    async fn simple(&mut self, text: String) -> Result<(), sqlx::Error> {
        self.connection.execute(sqlx::raw_sql(AssertSqlSafe(text))).await.map(drop)
    }

    async fn query(
        &mut self,
        sql: Sql,
        values: &[Value<'_>],
    ) -> Result<Vec<MySqlRow>, StorageError> {
        let texts = self.texts.clone();
        let query = query(texts.common(sql), values);
        let rows = query.fetch_all(&mut self.connection).await.map_err(sure)?;
        self.answers.add();
        Ok(rows)
    }

    async fn take_turn(&mut self) -> Result<(), StorageError> {
        self.rows_of(Own::Alone, &[]).await.map(drop)
    }

    async fn commit_fenced(&mut self, fence: Fence, end: End) -> Result<(), StorageError> {
        let text = format!("{}; {} NO RELEASE", self.gate(fence, 0), end.text());
        self.fenced(fence, text).await
    }
}

impl Driver for Session {
    /// A row that was found and is as it was counts as changed; one that was there and was to be
    /// inserted does not. No more than one is counted, for a change in place of an insert is two.
    async fn execute(&mut self, sql: Sql, values: &[Value<'_>]) -> Result<usize, StorageError> {
        if sql == Sql::DeletePending {
            return self.stop_waiting(values).await.map(usize::from);
        }
        let texts = self.texts.clone();
        let done: Result<MySqlQueryResult, sqlx::Error> =
            query(texts.common(sql), values).execute(&mut self.connection).await;
        self.answers.add();
        match done {
            Ok(done) => Ok(usize::from(done.rows_affected() > 0)),
            Err(error) if may_be_there(sql) && is_duplicate(&error) => Ok(0),
            Err(error) => Err(sure(error)),
        }
    }

    async fn first<T: Send>(
        &mut self,
        sql: Sql,
        values: &[Value<'_>],
        read: fn(&dyn Columns) -> Result<T, StorageError>,
    ) -> Result<Option<T>, StorageError> {
        self.query(sql, values).await?.first().map(|row| read(row)).transpose()
    }
}
