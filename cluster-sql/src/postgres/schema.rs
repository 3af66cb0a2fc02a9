//! Making and updating the tables.

use std::sync::Arc;

use cluster_core::storage::StorageError;

use super::dialect::PostgresDialect;
use super::error::{commit_error, is_denied, is_made_by_another, is_refusal, sure};
use super::session::Session;
use crate::dialect::Dialect;
use crate::schema::{SCHEMA_CURRENT, SCHEMA_MINIMUM, schema_version};
use crate::server::{ServerSession, not_ours, read_version, versions_text};
use crate::sql::with_prefix;
use crate::value::Columns;

/// How often other processes may come in the way of making the tables.
const ATTEMPTS_MAX: usize = 10;

/// The one encoding that has all characters.
const ENCODING: &str = "UTF8";

/// Brings the tables of a prefix to this program's version, in one transaction, which any number of
/// processes may try at once; says in which schema they are, as it stands in a statement. Leaves
/// tables alone that a newer program has made and that this one can still use; then it needs no
/// right to make tables.
///
/// # Errors
/// `SchemaTooNew` when this program is older than the schema's minimum; `Corrupt` when the tables
/// of the prefix are not ours; `BadSetting` when the database's encoding is another.
pub(super) async fn migrate(session: &mut Session) -> Result<String, StorageError> {
    for _ in 0..ATTEMPTS_MAX {
        if let Some(schema) = schema_of_tables(session).await?
            && stored_version(session).await? >= schema_version::<PostgresDialect>()
        {
            return Ok(schema);
        }
        session.begin().await?;
        match migrate_in_transaction(session).await {
            Ok(()) => session.end(Ok(())).await?,
            Err(error) => session.run_in_transaction(Session::ROLLBACK).await.and(error)?,
        }
    }
    let reason = "other processes make and remove the tables".to_owned();
    Err(StorageError::Corrupt { table: "meta", reason })
}

/// Where the tables of the prefix are, if there are any, in a database that has all characters.
async fn schema_of_tables(session: &mut Session) -> Result<Option<String>, StorageError> {
    let text = format!(
        "SELECT convert_to(current_setting('server_encoding'), 'UTF8'), \
        (SELECT convert_to(n.nspname, 'UTF8') FROM pg_class c \
        JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass('{}meta'))",
        session.texts.prefix
    );
    let rows = session.rows(&Arc::from(text), session.arguments()).await.map_err(sure)?;
    let Some(row) = rows.first() else { return Ok(None) };
    let encoding = row.bytes(0).unwrap_or_default();
    if encoding != ENCODING.as_bytes() {
        let encoding = String::from_utf8_lossy(encoding);
        let reason = format!(
            "the database has {encoding}, which does not hold all texts: it must be made with \
            ENCODING '{ENCODING}'"
        );
        return Err(StorageError::BadSetting { setting: "server_encoding", reason });
    }
    let name = row.bytes(1).and_then(|name| std::str::from_utf8(name).ok());
    Ok(name.map(quoted))
}

/// A name as it stands in a statement: without dollars, which are places there.
fn quoted(name: &str) -> String {
    let name = name.replace('\\', "\\\\").replace('"', "\"\"").replace('$', "\\0024");
    format!("U&\"{name}\"")
}

/// Fails with `Ok` when another process has made a table meanwhile: it is to be tried again.
async fn migrate_in_transaction(session: &mut Session) -> Result<(), Result<(), StorageError>> {
    let lock = "CREATE TABLE IF NOT EXISTS {p}meta (\
        name TEXT NOT NULL PRIMARY KEY, value BIGINT NOT NULL); \
        LOCK TABLE {p}meta IN SHARE ROW EXCLUSIVE MODE";
    run(session, lock).await?;
    let stored = stored_version(session).await.map_err(Err)?;
    let missing = PostgresDialect::MIGRATIONS.iter().skip(stored as usize);
    let mut minimum = None;
    for migration in missing {
        run(session, migration.text).await?;
        minimum = Some(migration.minimum);
    }
    if let Some(minimum) = minimum {
        let current = schema_version::<PostgresDialect>();
        for (name, version) in [(SCHEMA_CURRENT, current), (SCHEMA_MINIMUM, minimum)] {
            let set = format!(
                "INSERT INTO {{p}}meta (name, value) VALUES ('{name}', {version}) \
                ON CONFLICT (name) DO UPDATE SET value = excluded.value"
            );
            run(session, &set).await?;
        }
    }
    Ok(())
}

async fn run(session: &mut Session, text: &str) -> Result<(), Result<(), StorageError>> {
    let text = with_prefix(text, &session.texts.prefix);
    session.simple(text).await.map_err(|error| match is_made_by_another(&error) {
        true => Ok(()),
        false if is_refusal(&error) => Err(sure(error)),
        false => Err(commit_error(error)),
    })
}

/// The version of the stored schema, zero when there is none.
async fn stored_version(session: &mut Session) -> Result<u32, StorageError> {
    let text = Arc::from(versions_text(&session.texts.prefix));
    let rows = session.rows(&text, session.arguments()).await;
    let rows = rows.map_err(|error| match is_refusal(&error) {
        true if !is_denied(&error) => not_ours(sure(error).to_string()),
        _ => sure(error),
    })?;
    read_version::<PostgresDialect>(&rows)
}
