//! Connections of the storage's own threads.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use cluster_core::storage::StorageError;
use rusqlite::{Connection, OpenFlags};

use super::error::storage_error;
use super::options::{SqliteOptions, Synchronous};

/// The log is written back into the database when it has this many pages (of 4 KiB): often enough
/// to keep it small, seldom enough that a page which is changed again and again is written back
/// once.
const LOG_PAGES_MAX: usize = 16_384;

/// While a long reader keeps the log from being written back whole, the next attempt waits for this
/// many further pages.
const LOG_PAGES_STEP: usize = 4_096;

/// A log that a long reader has let grow beyond this is cut to it when it starts anew.
const LOG_BYTES_KEPT: usize = 2 * LOG_PAGES_MAX * 4_096;

/// What the reading connection may keep in memory.
const READER_CACHE_BYTES: usize = 16 << 20;

thread_local! {
    /// Pages in the log after the last commit of this thread's connection, and from how many on it
    /// is to be written back.
    static LOG: Cell<(usize, usize)> = const { Cell::new((0, LOG_PAGES_MAX)) };
}

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
    let synchronous = match options.synchronous {
        Synchronous::Full => "FULL",
        Synchronous::Normal => "NORMAL",
    };
    set(&connection, "synchronous", synchronous)?;
    set(&connection, "cache_size", cache_size(options.cache_bytes))?;
    set(&connection, "journal_size_limit", i64::try_from(LOG_BYTES_KEPT).unwrap_or(i64::MAX))?;
    // What an earlier process left in the log, or one whose disk was full.
    LOG.set((LOG_PAGES_MAX, LOG_PAGES_MAX));
    write_back(&connection);
    connection.wal_hook(Some(|_, pages| {
        let (_, next) = LOG.get();
        LOG.set((usize::try_from(pages).unwrap_or(0), next));
        Ok(())
    }));
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

/// Writes the log back when it has grown enough: after the callers of the last commit have their
/// answers, so that only what comes next waits for it.
pub(super) fn write_back(connection: &Connection) {
    let (pages, from) = LOG.get();
    if pages < from {
        return;
    }
    let written = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
    });
    let whole = match written {
        Ok((in_log, written)) => in_log == written,
        Err(error) => {
            tracing::warn!(%error, "the log could not be written back; trying again later");
            false
        }
    };
    LOG.set((0, if whole { LOG_PAGES_MAX } else { pages + LOG_PAGES_STEP }));
}

fn open(path: &Path, flags: OpenFlags, busy_timeout: Duration) -> Result<Connection, StorageError> {
    let connection = Connection::open_with_flags(path, flags).map_err(storage_error)?;
    connection.busy_timeout(busy_timeout).map_err(storage_error)?;
    Ok(connection)
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
