//! Where the statements of a transaction run.

use cluster_core::storage::StorageError;

use super::sql::Sql;
use super::value::{Columns, Value};

/// Runs statements in an open transaction, on whichever database and by whichever driver. What the
/// storages do beside their fast ways is written once, on this.
pub(crate) trait Driver {
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
