//! Statements on one connection.

use std::collections::HashSet;
use std::sync::Arc;

use cluster_core::storage::{Batch, Fence, StorageError};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments as _, AssertSqlSafe, Executor, PgConnection, Row};

use super::commit::{Care, ends};
use super::dialect::PostgresDialect;
use super::error::{commit_error, is_gate, refused, sure};
use super::parameter::{Array, Parameter};
use super::plain::{TextRow, literal, literal_of_array, with_literals};
use super::texts::{AllTexts, Own};
use crate::batch::check_fence;
use crate::driver::Driver;
use crate::server::{Answers, End, Marks, Refused, ServerSession};
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
    /// What users' transactions on it are called at the server, where no other is. Empty where
    /// there are none.
    pub(super) name: String,
    /// A process of the server is this connection's alone, and has its name from the beginning.
    /// Behind a pooler one is only as long as a transaction is open.
    pub(super) is_direct: bool,
    /// Those ends of users' transactions that are prepared at the server, by the number of their
    /// groups.
    pub(super) ends: HashSet<usize>,
    /// The statements that set what is not as it was when this connected, after a user has set it
    /// back: of poolers, what they keep of each client.
    pub(super) kept: String,
    pub(super) answers: Answers,
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

/// The most bytes of values in the text that ends a user's transaction: a megabyte of payloads.
const LITERALS_BYTES_MAX: usize = 1 << 21;

/// The name that the server's process has kept from its beginning; and the statement that sets
/// those settings as they are that poolers carry from one connection of theirs to the next.
const FOR_USERS: &str = "SELECT (SELECT reset_val FROM pg_settings WHERE name = \
    'application_name'), 'SELECT ' || \
    string_agg(format('set_config(%L, %L, false)', name, current_setting(name)), ', ') \
    FROM unnest(ARRAY['application_name', 'client_encoding', 'DateStyle', 'IntervalStyle', \
    'standard_conforming_strings', 'TimeZone']) name";

impl Session {
    /// Learns what users' transactions need to know, on a connection that was made with this name
    /// and then set to this.
    pub(super) async fn prepare_for_users(
        &mut self,
        name: String,
        setting: &str,
    ) -> Result<(), sqlx::Error> {
        let row = sqlx::raw_sql(FOR_USERS).fetch_one(&mut self.connection).await?;
        let first: String = row.try_get_unchecked(0)?;
        self.is_direct = self.prepared && first == name;
        self.kept = match self.is_direct {
            true => setting.to_owned(),
            false => format!("{}; {setting}", row.try_get_unchecked::<String, _>(1)?),
        };
        self.name = name;
        Ok(())
    }

    /// The statements that write a batch that has no requests in a user's transaction, with their
    /// values, and how many they are. The batch's is planned once where the server's process is
    /// this connection's alone: the server would do so each time, which took it longer than the
    /// statement itself. `None` where the values are too large to stand in a text.
    pub(super) fn end_statement(
        &mut self,
        marks: &Marks,
        fence: Fence,
        batch: &Batch,
    ) -> Option<(String, usize)> {
        let (groups, literals) = ends(marks, fence, batch);
        if literals.iter().map(String::len).sum::<usize>() > LITERALS_BYTES_MAX {
            return None;
        }
        let text = self.texts.commit(groups);
        if !self.is_direct {
            return Some((with_literals(text, &literals), 1));
        }
        let name = format!("cluster_ends_{}", groups.number());
        let once = "SET LOCAL plan_cache_mode = force_generic_plan";
        let run = format!("{once}; EXECUTE {name} ({})", literals.join(", "));
        Some(match self.ends.insert(groups.number()) {
            true => (format!("PREPARE {name} AS {text}; {run}"), 3),
            false => (run, 2),
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
                self.answers.add();
                Ok(rows.into_iter().map(Answer::Prepared).collect())
            }
            Arguments::Plain(literals) => {
                let query = sqlx::raw_sql(AssertSqlSafe(with_literals(text, &literals)));
                let rows = query.fetch_all(&mut self.connection).await?;
                self.answers.add();
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
}

impl ServerSession for Session {
    type Dialect = PostgresDialect;
    type Row = Answer;
    // Whatever the database's default is: each statement must see what was committed before it.
    const BEGIN: &'static str = "BEGIN ISOLATION LEVEL READ COMMITTED";
    const ROLLBACK: &'static str = "ROLLBACK";

    fn refused(error: &sqlx::Error) -> Option<Refused> {
        refused(error)
    }

    fn answers(&self) -> &Answers {
        &self.answers
    }

    async fn simple(&mut self, text: String) -> Result<(), sqlx::Error> {
        self.connection.execute(sqlx::raw_sql(AssertSqlSafe(text))).await.map(drop)
    }

    async fn query(&mut self, sql: Sql, values: &[Value<'_>]) -> Result<Vec<Answer>, StorageError> {
        let text = self.texts.common.text(sql).clone();
        self.rows(&text, self.plain(values)).await.map_err(sure)
    }

    async fn take_turn(&mut self) -> Result<(), StorageError> {
        let text = self.texts.own(Own::Alone).clone();
        self.rows(&text, self.arguments()).await.map(drop).map_err(sure)
    }

    async fn commit_fenced(&mut self, fence: Fence, end: End) -> Result<(), StorageError> {
        let text = format!("{}; {}", self.gate(fence), end.text());
        match self.simple(text).await {
            // A constraint of a user's own table that is checked at the commit may fail so, too.
            Err(error) if is_gate(&error) => {
                self.run_in_transaction(&format!("{}; {}", Self::ROLLBACK, Self::BEGIN)).await?;
                check_fence(self, fence).await?;
                Err(sure(error))
            }
            done => done.map_err(commit_error),
        }
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
        self.answers.add();
        Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
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
