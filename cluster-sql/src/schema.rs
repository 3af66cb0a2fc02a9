//! The versions of the tables.

use cluster_core::storage::StorageError;

use super::dialect::Dialect;

/// A step from one schema version to the next.
pub(crate) struct Migration {
    /// Its statements.
    pub(crate) text: &'static str,
    /// The oldest schema version whose programs can still use the database after it. Migrations
    /// only add, so this rises late, when no such program runs any more.
    pub(crate) minimum: u32,
}

/// The name of the schema version that is stored.
pub(crate) const SCHEMA_CURRENT: &str = "schema_current";
/// The name of the oldest schema version whose programs can still use the tables.
pub(crate) const SCHEMA_MINIMUM: &str = "schema_minimum";

/// The longest table prefix.
const PREFIX_BYTES_MAX: usize = 32;

/// The schema version of this program.
pub(crate) const fn schema_version<D: Dialect>() -> u32 {
    D::MIGRATIONS.len() as u32
}

/// Says whether this program can use tables of which that is the minimum.
pub(crate) fn check_minimum<D: Dialect>(minimum: u32) -> Result<(), StorageError> {
    let current = schema_version::<D>();
    if minimum > current {
        return Err(StorageError::SchemaTooNew { minimum, current });
    }
    Ok(())
}

/// Says whether tables may begin with that, which no quotes stand around.
pub(crate) fn check_prefix<D: Dialect>(prefix: &str) -> Result<(), StorageError> {
    let word = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    let reserved = D::RESERVED_PREFIX;
    let good = (1..=PREFIX_BYTES_MAX).contains(&prefix.len())
        && prefix.bytes().all(word)
        && !prefix.as_bytes()[0].is_ascii_digit()
        && !prefix.starts_with(reserved);
    if good {
        return Ok(());
    }
    let reason = format!(
        "`{prefix}` is not 1 to {PREFIX_BYTES_MAX} of a-z, 0-9 and _, starting with no digit and \
        not with {reserved}"
    );
    Err(StorageError::BadSetting { setting: "prefix", reason })
}
