//! What the driver's errors mean for the caller.

use cluster_core::storage::StorageError;
use sqlx::mysql::MySqlDatabaseError;

use crate::server::{self, Refused};

/// A row of the same key is there.
const DUPLICATE: u16 = 1062;
/// A row that this one belongs to is not there.
const NO_PARENT: u16 = 1452;
/// NULL for a column that takes none.
const NULL: u16 = 1048;
/// A statement of ours has found that a batch must not be written.
const SIGNAL: u16 = 1644;
/// A subquery has more than one row: so our gates say that the fence does not hold.
const MORE_THAN_ONE_ROW: u16 = 1242;
/// A transaction that would have to wait for one that waits for it; it is rolled back.
const DEADLOCK: u16 = 1213;
/// There is no savepoint of the name: its transaction has ended.
const NO_SAVEPOINT: u16 = 1305;
/// There is no table of the name, or it has other columns than ours.
const NOT_OURS: [u16; 2] = [1146, 1054];

/// Who connects, with which password and from where; which database; a missing right.
const DENIED: [u16; 14] =
    [1044, 1045, 1049, 1129, 1130, 1142, 1143, 1227, 1698, 1820, 1862, 3118, 3159, 4151];

/// Errors whose texts quote values or statements.
const QUOTING: [u16; 8] = [DUPLICATE, 1064, 1265, 1292, 1300, 1366, 1411, NO_PARENT];

/// Errors after which the connection is gone, or nobody knows how far the server came: shutdown,
/// killed, interrupted or out of time, broken packets, an error during COMMIT.
const ENDING: [u16; 17] = [
    1053, 1077, 1078, 1079, 1105, 1152, 1153, 1158, 1159, 1160, 1161, 1180, 1184, 1317, 1927, 1969,
    3024,
];

/// The error of the server, if it is one.
fn database(error: &sqlx::Error) -> Option<&MySqlDatabaseError> {
    error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>()
}

fn has_number(error: &sqlx::Error, numbers: &[u16]) -> bool {
    database(error).is_some_and(|error| numbers.contains(&error.number()))
}

/// Whether a row that was to be inserted is there already.
pub(super) fn is_duplicate(error: &sqlx::Error) -> bool {
    has_number(error, &[DUPLICATE])
}

/// Whether a packet was not written because of what is stored.
pub(super) fn is_gate(error: &sqlx::Error) -> bool {
    has_number(error, &[DUPLICATE, NO_PARENT, NULL, SIGNAL])
}

/// Whether a gate has found that the fence does not hold.
pub(super) fn is_fence_lost(error: &sqlx::Error) -> bool {
    has_number(error, &[MORE_THAN_ONE_ROW])
}

/// Whether the transaction of a savepoint has ended.
pub(super) fn is_ended(error: &sqlx::Error) -> bool {
    has_number(error, &[NO_SAVEPOINT])
}

/// Whether a table is not one of ours.
pub(super) fn is_not_ours(error: &sqlx::Error) -> bool {
    has_number(error, &NOT_OURS)
}

/// What the server said.
pub(super) fn refused(error: &sqlx::Error) -> Option<Refused> {
    let error = database(error)?;
    let number = error.number();
    // These quote what rows or statements hold.
    let message = match QUOTING.contains(&number) {
        true => "the server has refused a statement",
        false => error.message(),
    };
    let code = error.code().unwrap_or_default();
    Some(Refused {
        message: format!("{message} (error {number}, SQLSTATE {code})"),
        goes_on: !ENDING.contains(&number),
        is_transient: number == DEADLOCK,
        is_denied: DENIED.contains(&number),
    })
}

/// The failure of a statement whose transaction has not been committed, nor ever will be.
pub(super) fn sure(error: sqlx::Error) -> StorageError {
    server::sure(refused(&error), error)
}

/// The failure of what commits.
pub(super) fn commit_error(error: sqlx::Error) -> StorageError {
    server::commit_error(refused(&error), error)
}
