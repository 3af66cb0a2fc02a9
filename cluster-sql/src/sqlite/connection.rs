//! Connections of the storage's own threads.

use std::path::Path;
use std::time::Duration;

use cluster_core::storage::StorageError;
use rusqlite::{Connection, OpenFlags};

use super::error::storage_error;
use super::log::count_pages;
use super::options::{SqliteOptions, Synchronous};

/// What the reading connection may keep in memory.
const READER_CACHE_BYTES: usize = 16 << 20;

/// Opens the connection that writes, and turns the file to write-ahead logging.
pub(super) fn open_writer(
    path: &Path,
    options: &SqliteOptions,
) -> Result<Connection, StorageError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open(path, flags, options.busy_timeout)?;
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
        .map_err(storage_error)?;
    if mode != "wal" {
        return Err(StorageError::BadSetting {
            setting: "path",
            reason: format!("{} allows no write-ahead log (it stays at {mode})", path.display()),
        });
    }
    set_synchronous(&connection, options)?;
    set(&connection, "cache_size", cache_size(options.cache_bytes))?;
    count_pages(&connection);
    Ok(connection)
}

/// Opens the connection that only reads.
pub(super) fn open_reader(
    path: &Path,
    options: &SqliteOptions,
) -> Result<Connection, StorageError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open(path, flags, options.busy_timeout)?;
    set(&connection, "query_only", "1")?;
    set(&connection, "cache_size", cache_size(READER_CACHE_BYTES))?;
    Ok(connection)
}

/// Opens a connection that neither reads nor writes rows.
pub(super) fn open_plain(path: &Path, options: &SqliteOptions) -> Result<Connection, StorageError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open(path, flags, options.busy_timeout)?;
    set_synchronous(&connection, options)?;
    Ok(connection)
}

fn open(path: &Path, flags: OpenFlags, busy_timeout: Duration) -> Result<Connection, StorageError> {
    let connection = Connection::open_with_flags(path, flags).map_err(storage_error)?;
    connection.busy_timeout(busy_timeout).map_err(storage_error)?;
    Ok(connection)
}

fn set_synchronous(connection: &Connection, options: &SqliteOptions) -> Result<(), StorageError> {
    let synchronous = match options.synchronous {
        Synchronous::Full => "FULL",
        Synchronous::Normal => "NORMAL",
    };
    set(connection, "synchronous", synchronous)
}

fn set(
    connection: &Connection,
    pragma: &str,
    value: impl rusqlite::ToSql,
) -> Result<(), StorageError> {
    connection.pragma_update(None, pragma, value).map_err(storage_error)
}

/// The pragma counts KiB, as a negative number.
fn cache_size(bytes: usize) -> i64 {
    -i64::try_from(bytes / 1024).unwrap_or(i64::MAX)
}
