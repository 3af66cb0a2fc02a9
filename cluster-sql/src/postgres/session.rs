//! Statements on one connection.

use std::sync::Arc;

use cluster_core::storage::{Fence, StorageError};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments as _, AssertSqlSafe, Executor, PgConnection};

use super::commit::Care;
use super::error::{commit_error, is_gate, leaves_connection, sure};
use super::parameter::{Array, Parameter};
use super::plain::{TextRow, literal, literal_of_array, with_literals};
use super::texts::{AllTexts, Own};
use crate::driver::Driver;
use crate::sql::Sql;
use crate::value::{Columns, Value, integer};

/// A connection, and the texts of what is run on it. Statements are prepared when first used, and
/// kept by the driver.
pub(super) struct Session {
    pub(super) connection: PgConnection,
    pub(super) texts: Arc<AllTexts>,
    /// Whether statements are prepared. Else each is sent as a whole, in one packet.
    pub(super) prepared: bool,
    /// Of all connections to the database.
    pub(super) care: Arc<Care>,
}

/// What goes into the places of a statement.
pub(super) enum Arguments {
    Prepared(PgArguments),
    /// As they stand in a text.
    Plain(Vec<String>),
}

impl Arguments {
    pub(super) fn add<'a>(&mut self, value: impl Into<Value<'a>>) {
        let value = value.into();
        match self {
            // Nothing of ours comes near what a parameter may hold: a gigabyte.
            Arguments::Prepared(all) => all.add(Parameter(value)).expect("a batch is bounded"),
            Arguments::Plain(all) => all.push(literal(value)),
        }
    }

    pub(super) fn add_array(&mut self, array: Array<'_>) {
        match self {
            Arguments::Prepared(all) => all.add(array).expect("a batch is bounded"),
            Arguments::Plain(all) => all.push(literal_of_array(&array)),
        }
    }
}

/// A row that was read.
pub(super) enum Answer {
    Prepared(PgRow),
    Plain(TextRow),
}

impl Columns for Answer {
    fn integer(&self, at: usize) -> Option<i64> {
        match self {
            Answer::Prepared(row) => row.integer(at),
            Answer::Plain(row) => row.integer(at),
        }
    }

    fn bytes(&self, at: usize) -> Option<&[u8]> {
        match self {
            Answer::Prepared(row) => Columns::bytes(row, at),
            Answer::Plain(row) => row.bytes(at),
        }
    }
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Commit,
    /// With the next one open, on a connection that sqlx believes to be in one.
    CommitAndChain,
}

impl End {
    const fn text(self) -> &'static str {
        match self {
            End::Commit => "COMMIT",
            End::CommitAndChain => "COMMIT AND CHAIN",
        }
    }
}

impl Session {
    /// Runs statements without parameters, in one packet.
    pub(super) async fn simple(&mut self, text: String) -> Result<(), sqlx::Error> {
        self.connection.execute(sqlx::raw_sql(AssertSqlSafe(text))).await.map(drop)
    }

    pub(super) async fn begin(&mut self) -> Result<(), StorageError> {
        // Whatever the database's default is: each statement must see what was committed before it.
        self.simple("BEGIN ISOLATION LEVEL READ COMMITTED".to_owned()).await.map_err(sure)
    }

    /// Begins a transaction beside which nobody else changes who owns what.
    pub(super) async fn begin_alone(&mut self) -> Result<(), StorageError> {
        self.begin().await?;
        let text = self.texts.own(Own::Alone).clone();
        let turn = self.rows(&text, self.arguments()).await;
        let turn = turn.map(drop).map_err(sure);
        if turn.as_ref().is_err_and(leaves_connection) {
            self.roll_back().await?;
        }
        turn
    }

    /// Commits what was done in the open transaction, or rolls it back.
    pub(super) async fn end<T>(
        &mut self,
        done: Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        match done {
            Ok(done) => self.commit().await.map(|()| done),
            Err(error) => {
                if leaves_connection(&error) {
                    self.roll_back().await?;
                }
                Err(error)
            }
        }
    }

    /// Ends the open transaction with nothing written.
    ///
    /// # Errors
    /// The connection is lost, and the transaction with it.
    pub(super) async fn roll_back(&mut self) -> Result<(), StorageError> {
        self.simple("ROLLBACK".to_owned()).await.map_err(sure)
    }

    /// Ends the open transaction.
    pub(super) async fn commit(&mut self) -> Result<(), StorageError> {
        self.simple("COMMIT".to_owned()).await.map_err(commit_error)
    }

    /// Ends the open transaction if the fence holds, in one packet: nobody waits for this process
    /// while it holds the fence. The transaction is open still after `Fenced`.
    pub(super) async fn commit_fenced(
        &mut self,
        fence: Fence,
        end: End,
    ) -> Result<(), StorageError> {
        let text = format!("{}; {}", self.gate(fence), end.text());
        self.simple(text).await.map_err(|error| match is_gate(&error) {
            true => fence.lost(),
            false => commit_error(error),
        })
    }

    /// A statement that fails unless the fence holds, which is then kept to the transaction's end.
    fn gate(&self, fence: Fence) -> String {
        format!(
            "WITH f AS (SELECT 1 FROM {}fence WHERE incarnation = {} AND number = {} \
            AND alive = 1 FOR SHARE) SELECT 1 / (SELECT count(*) FROM f)",
            self.texts.prefix,
            integer(fence.incarnation.as_u64()),
            integer(fence.number.as_u64()),
        )
    }

    /// Runs a query and reads all its rows.
    pub(super) async fn rows(
        &mut self,
        text: &Arc<str>,
        arguments: Arguments,
    ) -> Result<Vec<Answer>, sqlx::Error> {
        match arguments {
            Arguments::Prepared(arguments) => {
                let query = sqlx::query_with(AssertSqlSafe(text.clone()), arguments);
                let rows = query.fetch_all(&mut self.connection).await?;
                Ok(rows.into_iter().map(Answer::Prepared).collect())
            }
            Arguments::Plain(literals) => {
                let query = sqlx::raw_sql(AssertSqlSafe(with_literals(text, &literals)));
                let rows = query.fetch_all(&mut self.connection).await?;
                rows.iter().map(|row| TextRow::read(row).map(Answer::Plain)).collect()
            }
        }
    }

    /// Places to be filled.
    pub(super) fn arguments(&self) -> Arguments {
        match self.prepared {
            true => Arguments::Prepared(PgArguments::default()),
            false => Arguments::Plain(Vec::new()),
        }
    }

    /// Places filled with single values.
    pub(super) fn plain(&self, values: &[Value<'_>]) -> Arguments {
        let mut arguments = self.arguments();
        values.iter().for_each(|value| arguments.add(*value));
        arguments
    }

    /// Runs a statement of the common ones and reads all its rows.
    pub(super) async fn all<T>(
        &mut self,
        sql: Sql,
        values: &[Value<'_>],
        read: impl Fn(&dyn Columns) -> Result<T, StorageError>,
    ) -> Result<Vec<T>, StorageError> {
        let text = self.texts.common.text(sql).clone();
        let rows = self.rows(&text, self.plain(values)).await.map_err(sure)?;
        rows.iter().map(|row| read(row)).collect()
    }
}

impl Driver for Session {
    async fn execute(&mut self, sql: Sql, values: &[Value<'_>]) -> Result<usize, StorageError> {
        let text = self.texts.common.text(sql).clone();
        let done = match self.plain(values) {
            Arguments::Prepared(arguments) => {
                let query = sqlx::query_with(AssertSqlSafe(text), arguments);
                query.execute(&mut self.connection).await
            }
            Arguments::Plain(literals) => {
                let query = sqlx::raw_sql(AssertSqlSafe(with_literals(&text, &literals)));
                query.execute(&mut self.connection).await
            }
        };
        let done = done.map_err(sure)?;
        Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
    }

    async fn first<T: Send>(
        &mut self,
        sql: Sql,
        values: &[Value<'_>],
        read: fn(&dyn Columns) -> Result<T, StorageError>,
    ) -> Result<Option<T>, StorageError> {
        let text = self.texts.common.text(sql).clone();
        let rows = self.rows(&text, self.plain(values)).await.map_err(sure)?;
        rows.first().map(|row| read(row)).transpose()
    }
}
