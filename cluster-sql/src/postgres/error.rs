//! What the driver's errors mean for the caller.

use cluster_core::storage::StorageError;
use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::server::{self, Refused};

/// A statement of ours divides by zero where a batch is not to be written.
const DIVISION_BY_ZERO: &str = "22012";
/// A statement of ours was given the same state twice.
const SAME_ROW: &str = "21000";
/// A row of a key is there already.
const DUPLICATE: &str = "23505";
/// A transaction that would have to wait for one that waits for it.
const DEADLOCK: &str = "40P01";
/// A transaction that others came in the way of.
const SERIALIZATION: &str = "40001";
/// The transaction has failed and takes nothing more.
const ABORTED: &str = "25P02";
/// The setting that marks a transaction is empty, which is no number, or was never there.
const NOT_MARKED: [&str; 2] = ["22P02", "42704"];
/// The server does not know what became of a statement.
const COMPLETION_UNKNOWN: &str = "40003";
/// A prepared statement is missing, or there already: another connection's.
const FOREIGN_STATEMENTS: [&str; 2] = ["26000", "42P05"];
/// Connections: the first two characters of their codes.
const CONNECTION: &str = "08";
/// Who connects, and with which password: the first two characters of their codes.
const AUTHORIZATION: &str = "28";
/// There is no such database, or no schema to make tables in; a right is missing.
const DENIED: [&str; 3] = ["3D000", "3F000", "42501"];
/// A table, index or type of the name is there already, or was made at the same moment.
const MADE_BY_ANOTHER: [&str; 3] = ["42P07", "42710", "23505"];

/// The error of the server, if it is one.
fn database(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error.as_database_error()?.try_downcast_ref::<PgDatabaseError>()
}

/// Whether the server has refused a statement, and surely did nothing of it; its connection goes on
/// then.
pub(super) fn is_refusal(error: &sqlx::Error) -> bool {
    database(error).is_some_and(|error| {
        !matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic)
            && error.code() != COMPLETION_UNKNOWN
            && !error.code().starts_with(CONNECTION)
    })
}

/// Whether a statement of ours has found that it must not be done.
pub(super) fn is_gate(error: &sqlx::Error) -> bool {
    database(error).is_some_and(|error| [DIVISION_BY_ZERO, SAME_ROW].contains(&error.code()))
}

/// Whether a statement has found that a row of a key is there already.
pub(super) fn is_duplicate(error: &sqlx::Error) -> bool {
    database(error).is_some_and(|error| error.code() == DUPLICATE)
}

/// Whether a statement was refused because one before it in its transaction has failed.
pub(super) fn is_aborted(error: &sqlx::Error) -> bool {
    database(error).is_some_and(|error| error.code() == ABORTED)
}

/// Whether a statement of ours has found that its transaction is not the one that was begun. In the
/// same packet functions of the user may run, as triggers do: their errors say where they were.
/// Texts tell nothing, for servers speak many languages.
pub(super) fn is_unmarked(error: &sqlx::Error) -> bool {
    database(error)
        .is_some_and(|error| NOT_MARKED.contains(&error.code()) && error.r#where().is_none())
}

/// Whether the server does not let this program do it.
pub(super) fn is_denied(error: &sqlx::Error) -> bool {
    refused(error).is_some_and(|refused| refused.is_denied)
}

/// Whether another process has made the same table meanwhile.
pub(super) fn is_made_by_another(error: &sqlx::Error) -> bool {
    database(error).is_some_and(|error| MADE_BY_ANOTHER.contains(&error.code()))
}

/// What the server said, without the details, which quote what rows hold.
pub(super) fn refused(error: &sqlx::Error) -> Option<Refused> {
    let goes_on = is_refusal(error);
    let error = database(error)?;
    let mut message = format!("{} (SQLSTATE {})", error.message(), error.code());
    if FOREIGN_STATEMENTS.contains(&error.code()) {
        message.push_str(": behind a pooler, turn `prepared_statements` off");
    }
    let is_transient = [DEADLOCK, SERIALIZATION].contains(&error.code());
    let is_denied = error.code().starts_with(AUTHORIZATION) || DENIED.contains(&error.code());
    Some(Refused { message, goes_on, is_transient, is_denied })
}

/// The failure of a statement whose transaction has not been committed, nor ever will be.
pub(super) fn sure(error: sqlx::Error) -> StorageError {
    server::sure(refused(&error), error)
}

/// The failure of what commits.
pub(super) fn commit_error(error: sqlx::Error) -> StorageError {
    server::commit_error(refused(&error), error)
}
