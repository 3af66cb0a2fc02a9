//! Ending what earlier incarnations have left open on the server, which keeps the transactions of a
//! client, and the rows locked in them, until it hears of its end: if that lost its power or its
//! network, for hours.
//!
//! Who has joined writes down the name of its connections, before it begins a transaction. Through
//! a pooler they carry it too.

use cluster_core::storage::StorageError;

use super::error::sure;
use super::session::Session;
use crate::server::ServerSession;
use crate::sql::with_prefix;

/// In one transaction: writes this writer's name down, ends the transactions of those that were
/// written down before, and forgets these.
const TAKE_OVER: &str = "INSERT INTO {p}writer (name) VALUES ('{name}') ON CONFLICT DO NOTHING; \
    SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a \
    WHERE a.datname = current_database() AND a.usename = current_user \
    AND a.xact_start IS NOT NULL AND a.pid <> pg_backend_pid() \
    AND EXISTS (SELECT 1 FROM {p}writer w WHERE w.name <> '{name}' \
    AND starts_with(a.application_name, w.name)); \
    DELETE FROM {p}writer WHERE name <> '{name}'";

/// Takes over from earlier incarnations.
///
/// # Errors
/// `Unavailable`. What is left open then blocks only those who need the same rows.
pub(super) async fn take_over(session: &mut Session, name: &str) -> Result<(), StorageError> {
    let text = with_prefix(TAKE_OVER, &session.texts.prefix).replace("{name}", name);
    session.simple(text).await.map_err(sure)
}
