//! What differs between the databases' languages.

use super::schema::Migration;
use super::sql::Sql;

/// The language of a database. Every difference stands here, with its default; a dialect says only
/// what is different.
pub(crate) trait Dialect: 'static {
    /// The kind of the storage, in metrics and errors.
    const KIND: &'static str;

    /// What stands before the number of a parameter.
    const PARAMETER: char;

    /// With what no table of a user may begin.
    const RESERVED_PREFIX: &'static str;

    /// Whether the server keeps its plan of a prepared statement, however its tables change.
    const KEEPS_PLANS: bool = false;

    /// Whether two transactions at once are written faster than one after the other.
    const WRITES_IN_TWO: bool = false;

    /// The steps from one schema version to the next; the version of a migration is its place,
    /// counted from one.
    const MIGRATIONS: &'static [Migration];

    /// The text of a statement where it is not the common one.
    fn own_text(sql: Sql) -> Option<&'static str> {
        let _ = sql;
        None
    }
}
