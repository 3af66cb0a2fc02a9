//! Where the statements of a batch run.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use cluster_core::storage::StorageError;

use super::sql::Sql;
use super::value::{Columns, Value};

/// Runs statements in an open transaction: in process for the committer, by way of sqlx for users'
/// transactions. One text of the logic serves both.
pub(super) trait Driver {
    /// Runs a statement; returns how many rows it changed.
    async fn execute(&mut self, sql: Sql, values: &[Value<'_>]) -> Result<usize, StorageError>;

    /// Runs a query and reads its first row.
    async fn first<T: Send>(
        &mut self,
        sql: Sql,
        values: &[Value<'_>],
        read: fn(&dyn Columns) -> Result<T, StorageError>,
    ) -> Result<Option<T>, StorageError>;
}

/// The result of a future that never waits: what the in-process driver makes.
pub(super) fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => unreachable!("the in-process driver never waits"),
    }
}
