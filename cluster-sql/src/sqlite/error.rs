//! What the drivers' errors mean for the caller.

use cluster_core::storage::StorageError;
use rusqlite::ErrorCode;

/// The failure of a statement: its transaction is rolled back, so nothing was done.
pub(super) fn storage_error(error: rusqlite::Error) -> StorageError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => damaged(&error),
        _ => StorageError::unavailable(error),
    }
}

/// The failure of COMMIT. The log may hold the whole transaction although SQLite reports that it
/// could not be synchronized: a crash at this moment would bring it back. The next write decides,
/// for it overwrites the log from there on.
pub(super) fn unknown_outcome(error: rusqlite::Error) -> StorageError {
    StorageError::unknown_outcome(error)
}

/// The same for a statement that sqlx ran.
pub(super) fn sqlx_error(error: sqlx::Error) -> StorageError {
    let code = error.as_database_error().and_then(|error| error.code());
    match code.as_deref().and_then(|code| code.parse::<i32>().ok()).map(|code| code & 0xff) {
        Some(rusqlite::ffi::SQLITE_CORRUPT | rusqlite::ffi::SQLITE_NOTADB) => damaged(&error),
        _ => StorageError::unavailable(error),
    }
}

fn damaged(error: &dyn std::error::Error) -> StorageError {
    StorageError::Corrupt { table: "the whole file", reason: error.to_string() }
}

/// Work in a transaction has panicked, which is rolled back.
#[derive(Debug, thiserror::Error)]
#[error("the storage's own code panicked")]
pub(super) struct Panicked;

/// A storage that is closing, or whose thread has ended.
#[derive(Debug, thiserror::Error)]
#[error("the storage is closed")]
pub(super) struct Closed;
