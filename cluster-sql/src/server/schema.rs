//! The versions that are stored.

use cluster_core::storage::StorageError;

use crate::dialect::Dialect;
use crate::schema::{SCHEMA_CURRENT, SCHEMA_MINIMUM, check_minimum};
use crate::value::Columns;

/// Asks for the minimum, the current version, and how many names there are at all.
pub(crate) fn versions_text(prefix: &str) -> String {
    format!(
        "SELECT (SELECT value FROM {prefix}meta WHERE name = '{SCHEMA_MINIMUM}'), \
        (SELECT value FROM {prefix}meta WHERE name = '{SCHEMA_CURRENT}'), \
        (SELECT count(*) FROM {prefix}meta)"
    )
}

/// The version of the stored schema, zero when there is none.
///
/// # Errors
/// `SchemaTooNew`, `Corrupt`.
pub(crate) fn read_version<D: Dialect>(rows: &[impl Columns]) -> Result<u32, StorageError> {
    let number = |at: usize| rows.first().and_then(|row| row.integer(at));
    match (number(0), number(1), number(2)) {
        (Some(minimum), Some(current), _) => {
            let version = |number: i64| {
                u32::try_from(number).map_err(|_| not_ours(format!("its version is {number}")))
            };
            check_minimum::<D>(version(minimum)?)?;
            version(current)
        }
        (None, None, Some(0)) => Ok(0),
        _ => Err(not_ours("it has no schema version".to_owned())),
    }
}

/// What is said of a table that another program has made.
pub(crate) fn not_ours(why: String) -> StorageError {
    let reason = format!("it is not a table of this library: {why}");
    StorageError::Corrupt { table: "meta", reason }
}
