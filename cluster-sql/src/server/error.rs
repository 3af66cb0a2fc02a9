//! What the drivers' errors mean for the caller.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use cluster_core::storage::StorageError;

/// What the server said, without what quotes the rows or statements of users.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refused {
    pub(crate) message: String,
    /// Surely nothing of the statement was done, and the connection goes on.
    pub(crate) goes_on: bool,
    /// The same transaction may succeed at once when it is made again.
    pub(crate) is_transient: bool,
    /// Who connects, or what it may do, must be changed first.
    pub(crate) is_denied: bool,
}

/// No answer came in time.
#[derive(Debug, thiserror::Error)]
#[error("the database has not answered within {0:?}")]
pub(super) struct TimedOut(pub(super) Duration);

/// The failure of a statement whose transaction has not been committed, nor ever will be; what the
/// server said of it, if it did.
pub(crate) fn sure(refused: Option<Refused>, error: sqlx::Error) -> StorageError {
    match refused {
        Some(refused) => StorageError::unavailable(refused),
        None => StorageError::unavailable(error),
    }
}

/// The failure of what commits.
pub(crate) fn commit_error(refused: Option<Refused>, error: sqlx::Error) -> StorageError {
    match refused {
        Some(refused) if refused.goes_on => StorageError::unavailable(refused),
        Some(lost) => StorageError::unknown_outcome(lost),
        None => StorageError::unknown_outcome(error),
    }
}

/// The failure of a statement that commits by itself: unless the server has refused it, nobody
/// knows.
pub(crate) fn unsure(error: StorageError) -> StorageError {
    match error {
        StorageError::Unavailable { source } if !goes_on(&source) => {
            StorageError::UnknownOutcome { source }
        }
        error => error,
    }
}

/// The failure of who connects, which trying again may not mend.
pub(crate) fn of_connecting(error: StorageError) -> StorageError {
    let is_denied = |source: &Arc<dyn Error + Send + Sync>| {
        source.downcast_ref::<Refused>().is_some_and(|refused| refused.is_denied)
    };
    match error {
        StorageError::Unavailable { source } if is_denied(&source) => {
            StorageError::Denied { source }
        }
        error => error,
    }
}

/// Whether no answer came in time.
pub(super) fn has_timed_out(error: &StorageError) -> bool {
    let StorageError::Unavailable { source } = error else { return false };
    source.downcast_ref::<TimedOut>().is_some()
}

fn goes_on(source: &Arc<dyn Error + Send + Sync>) -> bool {
    source.downcast_ref::<Refused>().is_some_and(|refused| refused.goes_on)
}

/// Whether the connection on which this came about is in a known state.
pub(crate) fn leaves_connection(error: &StorageError) -> bool {
    match error {
        StorageError::Unavailable { source } => goes_on(source),
        StorageError::UnknownOutcome { .. } => false,
        _ => true,
    }
}

/// What a handler's transaction failed with, told apart from what the server refused of it.
pub(crate) fn of_users(error: StorageError) -> StorageError {
    let is_from_outside = is_transient(&error) || !leaves_connection(&error);
    match error {
        StorageError::Unavailable { source } => match is_from_outside {
            true => StorageError::Interrupted { source },
            false => StorageError::TransactionRefused { source },
        },
        error => error,
    }
}

/// Whether the same transaction may succeed at once when it is made again.
pub(super) fn is_transient(error: &StorageError) -> bool {
    let StorageError::Unavailable { source } = error else { return false };
    source.downcast_ref::<Refused>().is_some_and(|refused| refused.is_transient)
}
