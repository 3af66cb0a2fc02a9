//! The tables and their versions.

use cluster_core::storage::StorageError;
use rusqlite::{Connection, OptionalExtension};

use super::dialect::SqliteDialect;
use super::error::{storage_error, unknown_outcome};
use crate::dialect::Dialect;
use crate::schema::{SCHEMA_CURRENT, SCHEMA_MINIMUM, check_minimum, schema_version};
use crate::sql::with_prefix;

/// Brings the tables of a prefix to this program's version, in one transaction. Leaves tables alone
/// that a newer program has made and that this one can still use.
///
/// # Errors
/// `SchemaTooNew` when this program is older than the schema's minimum; `Corrupt` when the tables
/// of the prefix are not ours.
pub(super) fn migrate(connection: &Connection, prefix: &str) -> Result<(), StorageError> {
    connection.execute_batch("BEGIN IMMEDIATE").map_err(storage_error)?;
    match migrate_in_transaction(connection, prefix) {
        Ok(()) => connection.execute_batch("COMMIT").map_err(unknown_outcome),
        Err(error) => {
            // When this fails too the connection is closed with its transaction open.
            let _ = connection.execute_batch("ROLLBACK");
            Err(error)
        }
    }
}

fn migrate_in_transaction(connection: &Connection, prefix: &str) -> Result<(), StorageError> {
    let stored = stored_version(connection, prefix)?;
    let missing =
        SqliteDialect::MIGRATIONS.iter().skip(usize::try_from(stored).unwrap_or(usize::MAX));
    let mut minimum = None;
    for migration in missing {
        let text = with_prefix(migration.text, prefix);
        connection.execute_batch(&text).map_err(storage_error)?;
        minimum = Some(migration.minimum);
    }
    if let Some(minimum) = minimum {
        set_version(connection, prefix, SCHEMA_CURRENT, schema_version::<SqliteDialect>())?;
        set_version(connection, prefix, SCHEMA_MINIMUM, minimum)?;
    }
    Ok(())
}

/// The version of the stored schema, zero when there is none.
fn stored_version(connection: &Connection, prefix: &str) -> Result<u32, StorageError> {
    let table = format!("{prefix}meta");
    let exists = connection
        .query_row(
            "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1",
            [&table],
            |_| Ok(()),
        )
        .optional()
        .map_err(storage_error)?;
    if exists.is_none() {
        return Ok(0);
    }
    let read = |name: &str| {
        let text = with_prefix("SELECT value FROM {p}meta WHERE name = ?1", prefix);
        connection.query_row(&text, [name], |row| row.get::<_, u32>(0)).map_err(|error| {
            let reason = format!("{table} is not a table of this library: {error}");
            StorageError::Corrupt { table: "meta", reason }
        })
    };
    let minimum = read(SCHEMA_MINIMUM)?;
    check_minimum::<SqliteDialect>(minimum)?;
    read(SCHEMA_CURRENT)
}

fn set_version(
    connection: &Connection,
    prefix: &str,
    name: &str,
    version: u32,
) -> Result<(), StorageError> {
    let text = with_prefix(
        "INSERT INTO {p}meta (name, value) VALUES (?1, ?2) \
        ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        prefix,
    );
    connection.execute(&text, (name, version)).map(drop).map_err(storage_error)
}
