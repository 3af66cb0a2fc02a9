//! A connection with its prepared statements, and transactions on it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cluster_core::storage::StorageError;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, Statement, ToSql};

use super::error::{Panicked, storage_error, unknown_outcome};
use crate::driver::Driver;
use crate::sql::{Sql, Texts};
use crate::value::{Columns, Value};

/// A connection at work on its thread. Statements are prepared when first used and kept.
pub(super) struct Session<'c> {
    connection: &'c Connection,
    texts: Arc<Texts>,
    /// By the number of the statement.
    prepared: Vec<Option<Statement<'c>>>,
    /// The connection is in a state that nobody knows: it must be replaced before the next job.
    broken: bool,
}

impl<'c> Session<'c> {
    pub(super) fn new(connection: &'c Connection, texts: Arc<Texts>) -> Self {
        let prepared = (0..Texts::COUNT).map(|_| None).collect();
        Session { connection, texts, prepared, broken: false }
    }

    /// The connection itself, for what is no statement of ours.
    pub(super) fn connection(&self) -> &'c Connection {
        self.connection
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// The statement with its parameters, ready to run.
    fn bound(
        &mut self,
        sql: Sql,
        values: &[Value<'_>],
    ) -> Result<&mut Statement<'c>, rusqlite::Error> {
        let place = &mut self.prepared[sql as usize];
        let statement = match place {
            Some(statement) => statement,
            None => place.insert(self.connection.prepare(self.texts.text(sql))?),
        };
        for (at, value) in values.iter().enumerate() {
            statement.raw_bind_parameter(at + 1, value)?;
        }
        Ok(statement)
    }

    /// Runs a statement; returns how many rows it changed.
    pub(super) fn execute(
        &mut self,
        sql: Sql,
        values: &[Value<'_>],
    ) -> Result<usize, StorageError> {
        self.bound(sql, values).and_then(Statement::raw_execute).map_err(storage_error)
    }

    /// Runs a query and reads all its rows.
    pub(super) fn all<T>(
        &mut self,
        sql: Sql,
        values: &[Value<'_>],
        read: impl Fn(&dyn Columns) -> Result<T, StorageError>,
    ) -> Result<Vec<T>, StorageError> {
        self.all_until(sql, values, read, |_| false)
    }

    /// Runs a query and reads its rows up to the first one that is the last wanted.
    pub(super) fn all_until<T>(
        &mut self,
        sql: Sql,
        values: &[Value<'_>],
        read: impl Fn(&dyn Columns) -> Result<T, StorageError>,
        mut is_last: impl FnMut(&T) -> bool,
    ) -> Result<Vec<T>, StorageError> {
        let mut rows = self.bound(sql, values).map_err(storage_error)?.raw_query();
        let mut all = Vec::new();
        while let Some(row) = rows.next().map_err(storage_error)? {
            let row = read(row)?;
            let last = is_last(&row);
            all.push(row);
            if last {
                break;
            }
        }
        Ok(all)
    }

    /// Runs a query and reads its first row.
    pub(super) fn first<T>(
        &mut self,
        sql: Sql,
        values: &[Value<'_>],
        read: impl FnOnce(&dyn Columns) -> Result<T, StorageError>,
    ) -> Result<Option<T>, StorageError> {
        let mut rows = self.bound(sql, values).map_err(storage_error)?.raw_query();
        rows.next().map_err(storage_error)?.map(|row| read(row)).transpose()
    }

    /// Writes in one transaction: wholly when `work` and the commit succeed, else not at all, or,
    /// where the commit itself failed, nobody knows.
    pub(super) fn write<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        self.begin("BEGIN IMMEDIATE")?;
        match self.caught(work) {
            Ok(done) => self.commit().map(|()| done),
            Err(error) => {
                self.roll_back();
                Err(error)
            }
        }
    }

    /// Reads from one snapshot.
    pub(super) fn read<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        self.begin("BEGIN")?;
        let done = self.caught(work);
        self.roll_back();
        done
    }

    /// Runs what is to be done in a transaction. A panic in it is a sure failure, for nothing is
    /// committed, but it may have left anything behind: the connection is not used again.
    fn caught<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        catch_unwind(AssertUnwindSafe(|| work(self))).unwrap_or_else(|_| {
            self.broken = true;
            tracing::error!("a transaction of the storage panicked");
            Err(StorageError::unavailable(Panicked))
        })
    }

    fn begin(&mut self, statement: &str) -> Result<(), StorageError> {
        self.connection.execute_batch(statement).map_err(storage_error)
    }

    fn commit(&mut self) -> Result<(), StorageError> {
        self.connection.execute_batch("COMMIT").map_err(|error| {
            // A connection whose commit failed is not trusted with another one.
            self.broken = true;
            unknown_outcome(error)
        })
    }

    fn roll_back(&mut self) {
        // Some failures have rolled back already.
        if !self.connection.is_autocommit() && self.connection.execute_batch("ROLLBACK").is_err() {
            self.broken = true;
        }
    }
}

impl Driver for Session<'_> {
    async fn execute(&mut self, sql: Sql, values: &[Value<'_>]) -> Result<usize, StorageError> {
        Session::execute(self, sql, values)
    }

    async fn first<T: Send>(
        &mut self,
        sql: Sql,
        values: &[Value<'_>],
        read: fn(&dyn Columns) -> Result<T, StorageError>,
    ) -> Result<Option<T>, StorageError> {
        Session::first(self, sql, values, read)
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(*number),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
            Value::Text(text) | Value::Words(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

impl Columns for Row<'_> {
    fn integer(&self, at: usize) -> Option<i64> {
        self.get_ref(at).ok()?.as_i64_or_null().ok().flatten()
    }

    fn bytes(&self, at: usize) -> Option<&[u8]> {
        self.get_ref(at).ok()?.as_bytes_or_null().ok().flatten()
    }
}
