//! Making and updating the tables.

use cluster_core::storage::StorageError;

use super::dialect::MySqlDialect;
use super::error::{is_not_ours, sure};
use super::literal::push_bytes;
use super::session::Session;
use crate::dialect::Dialect;
use crate::schema::{SCHEMA_CURRENT, SCHEMA_MINIMUM, schema_version};
use crate::server::{ServerSession, not_ours, read_version, versions_text};
use crate::sql::with_prefix;

/// Brings the tables of a prefix to this program's version, which any number of processes may try
/// at once: each statement of a migration may be run again, and the version is stored when all have
/// been. Leaves tables alone that a newer program has made and that this one can still use; then it
/// needs no right to make tables.
///
/// # Errors
/// `SchemaTooNew` when this program is older than the schema's minimum; `Corrupt` when the tables
/// of the prefix are not ours.
pub(super) async fn migrate(session: &mut Session) -> Result<(), StorageError> {
    let current = schema_version::<MySqlDialect>();
    let stored = match has_tables(session).await? {
        true => stored_version(session).await?,
        false => 0,
    };
    if stored >= current {
        return Ok(());
    }
    let mut minimum = 0;
    for migration in MySqlDialect::MIGRATIONS.iter().skip(stored as usize) {
        let text = with_prefix(migration.text, &session.texts.prefix);
        session.simple(text).await.map_err(sure)?;
        minimum = migration.minimum;
    }
    // Another process may have come further meanwhile.
    let text = format!(
        "INSERT INTO {p}meta (name, value) VALUES ('{SCHEMA_MINIMUM}', {minimum}), \
        ('{SCHEMA_CURRENT}', {current}) ON DUPLICATE KEY UPDATE \
        value = GREATEST(value, VALUES(value))",
        p = session.texts.prefix
    );
    session.simple(text).await.map_err(sure)?;
    stored_version(session).await.map(drop)
}

/// Whether there are tables of the prefix.
async fn has_tables(session: &mut Session) -> Result<bool, StorageError> {
    let mut text = "SELECT 1 FROM information_schema.tables \
        WHERE table_schema = DATABASE() AND table_name = "
        .to_owned();
    push_bytes(&mut text, format!("{}meta", session.texts.prefix).as_bytes());
    Ok(!session.ask(text).await.map_err(sure)?.is_empty())
}

/// The version of the stored schema, zero when there is none.
async fn stored_version(session: &mut Session) -> Result<u32, StorageError> {
    let rows = session.ask(versions_text(&session.texts.prefix)).await;
    let rows = rows.map_err(|error| match is_not_ours(&error) {
        true => not_ours(sure(error).to_string()),
        false => sure(error),
    })?;
    read_version::<MySqlDialect>(&rows)
}
