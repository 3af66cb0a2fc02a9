//! Statements and transactions on one connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cluster_core::storage::{Batch, Committed, Fence, StorageError};

use super::error::{Refused, commit_error, leaves_connection, sure};
use crate::batch::write_batch;
use crate::dialect::Dialect;
use crate::driver::Driver;
use crate::sql::Sql;
use crate::value::{Columns, Value};

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Commit,
    /// With the next one open, on a connection that sqlx believes to be in one.
    CommitAndChain,
}

impl End {
    pub(crate) const fn text(self) -> &'static str {
        match self {
            End::Commit => "COMMIT",
            End::CommitAndChain => "COMMIT AND CHAIN",
        }
    }
}

/// How many answers a connection has had to statements that may be some of many: who waits for all
/// of them sees that they come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answers(Arc<AtomicU64>);

impl Answers {
    /// One has come, and its connection is used by nobody else.
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn number(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A connection to a server.
pub(crate) trait ServerSession: Driver {
    /// Its language.
    type Dialect: Dialect;
    /// A row that was read.
    type Row: Columns;
    /// Begins a transaction.
    const BEGIN: &'static str;
    /// Rolls one back.
    const ROLLBACK: &'static str;

    /// What the server said, if an error is its own.
    fn refused(error: &sqlx::Error) -> Option<Refused>;

    /// How many answers it has had.
    fn answers(&self) -> &Answers;

    /// Runs statements without parameters, in one packet.
    async fn simple(&mut self, text: String) -> Result<(), sqlx::Error>;

    /// Runs a query of the common ones.
    async fn query(
        &mut self,
        sql: Sql,
        values: &[Value<'_>],
    ) -> Result<Vec<Self::Row>, StorageError>;

    /// Waits, in a transaction, for the one place of those who change who owns what.
    async fn take_turn(&mut self) -> Result<(), StorageError>;

    /// Ends the open transaction if the fence holds, in one packet: nobody waits for this process
    /// while it holds the fence. The transaction is open still after `Fenced`.
    async fn commit_fenced(&mut self, fence: Fence, end: End) -> Result<(), StorageError>;

    /// Runs a query of the common ones and reads all its rows.
    async fn all<T>(
        &mut self,
        sql: Sql,
        values: &[Value<'_>],
        read: impl Fn(&dyn Columns) -> Result<T, StorageError>,
    ) -> Result<Vec<T>, StorageError> {
        self.query(sql, values).await?.iter().map(|row| read(row)).collect()
    }

    async fn begin(&mut self) -> Result<(), StorageError> {
        self.run_in_transaction(Self::BEGIN).await
    }

    /// Begins a transaction beside which nobody else changes who owns what.
    async fn begin_alone(&mut self) -> Result<(), StorageError> {
        self.begin().await?;
        let turn = self.take_turn().await;
        self.roll_back_after(turn).await
    }

    /// Commits what was done in the open transaction, or rolls it back.
    async fn end<T>(&mut self, done: Result<T, StorageError>) -> Result<T, StorageError> {
        let committed = match done {
            Ok(done) => {
                let committed = self.simple(End::Commit.text().to_owned()).await;
                committed.map(|()| done).map_err(|error| commit_error(Self::refused(&error), error))
            }
            Err(error) => Err(error),
        };
        self.roll_back_after(committed).await
    }

    /// Rolls back what is open after a failure, if the connection is there still.
    async fn roll_back_after<T>(
        &mut self,
        done: Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        if done.as_ref().is_err_and(leaves_connection) {
            self.run_in_transaction(Self::ROLLBACK).await?;
        }
        done
    }

    /// Runs what commits nothing. If it fails, the connection is lost, and the transaction with it.
    async fn run_in_transaction(&mut self, text: &str) -> Result<(), StorageError> {
        let done = self.simple(text.to_owned()).await;
        done.map_err(|error| sure(Self::refused(&error), error))
    }
}

/// Writes a batch statement by statement, and compares the fence together with the commit.
pub(crate) async fn write_slowly<S: ServerSession>(
    session: &mut S,
    fence: Fence,
    batch: &Batch,
) -> Result<Committed, StorageError> {
    session.begin().await?;
    let written = match write_batch(session, batch).await {
        Ok(committed) => session.commit_fenced(fence, End::Commit).await.map(|()| committed),
        Err(error) => Err(error),
    };
    session.roll_back_after(written).await
}
