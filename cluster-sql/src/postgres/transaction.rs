//! Users' own transactions.

use sqlx::postgres::PgTransactionManager;
use sqlx::{AssertSqlSafe, SqlSafeStr};
use sqlx_core::transaction::TransactionManager;

use super::error::{commit_error, is_aborted, is_gate, is_unmarked, sure};
use super::plain::literal;
use super::session::Session;
use super::storage::{Postgres, PostgresServer};
use super::texts::Own;
use crate::server::{check_end, server_transactions};
use crate::value::{Columns, Value};

server_transactions!(Postgres, PostgresServer);

/// A setting that says which transaction it is: the one in which it was set is the only one that
/// has it.
const MARK: &str = "cluster.begun";

/// Nothing but that setting.
type Begun = ();

async fn begin(session: &mut Session) -> Result<Begun, StorageError> {
    let mut text = format!("{}; SET LOCAL {MARK} = 1", Session::BEGIN);
    if !session.is_direct {
        let name = literal(Value::Text(&session.name));
        text.push_str(&format!("; SET LOCAL application_name = {name}"));
    }
    // The driver is to believe that one is open, so that what the user begins on it is a savepoint;
    // from then on it does.
    if depth(session) == 1 {
        return session.simple(text).await.map_err(sure);
    }
    let text = AssertSqlSafe(text).into_sql_str();
    PgTransactionManager::begin(&mut session.connection, Some(text)).await.map_err(sure)
}

/// Says whether the transaction is still the one that was begun.
async fn check_open(session: &mut Session, (): &Begun) -> Result<(), StorageError> {
    let text = session.texts.own(Own::IsBegun).clone();
    let rows = session.rows(&text, session.arguments()).await.map_err(failed_or_sure)?;
    let is_marked = rows.first().and_then(|row| row.integer(0)) == Some(1);
    check_end(depth(session), is_marked)
}

fn depth(session: &Session) -> usize {
    PgTransactionManager::get_transaction_depth(&session.connection)
}

/// After a statement that has failed, a transaction takes nothing more, and cannot commit.
fn failed_or_sure(error: sqlx::Error) -> StorageError {
    match is_aborted(&error) {
        true => StorageError::TransactionFailed,
        false => sure(error),
    }
}

/// Writes ends of requests, commits and sets the connection back in one packet, if the fence holds
/// and the transaction is still the one that was begun.
async fn end_at_once(
    session: &mut Session,
    (): &Begun,
    marks: &Marks,
    fence: Fence,
    batch: &Batch,
) -> Result<AtOnce, StorageError> {
    if depth(session) != 1 {
        return Ok(AtOnce::NotThisWay);
    }
    let Some((statements, many)) = session.end_statement(marks, fence, batch) else {
        return Ok(AtOnce::NotThisWay);
    };
    let packet = format!("{statements}; {}; {RESET}; {}", End::Commit.text(), session.kept);
    match commit_and_set_back(session, packet, many + 1).await {
        Ok(how) => Ok(AtOnce::Done(how)),
        Err(error) if is_gate(&error) => Ok(AtOnce::InTheWay(sure(error))),
        Err(error) if is_unmarked(&error) => Err(StorageError::TransactionEnded),
        Err(error) if is_aborted(&error) => Err(StorageError::TransactionFailed),
        Err(error) => Err(commit_error(error)),
    }
}

/// Sets back who the user is, and all settings, to what they were when this connected.
const RESET: &str = "SET SESSION AUTHORIZATION DEFAULT; RESET ROLE; RESET ALL";

/// Rolls back what is open, and sets back what a user may have set; says whether the connection may
/// be used again. Behind a pooler the server's connection is this one's until the packet's end. Not
/// after a statement has failed: what is kept of it on the connection may be why.
async fn give_back(session: &mut Session, how: How) -> bool {
    if depth(session) != 1 {
        return false;
    }
    // It fails in a transaction that has failed.
    let works = if how == How::Committed { "" } else { "SELECT 1; " };
    let text = format!("{works}ROLLBACK; {RESET}; {}", session.kept);
    session.simple(text).await.is_ok()
}

/// The statement that ends the process of the server that has the open transaction: users may end
/// their own.
fn text_of_stop(session: &Session) -> String {
    let name = literal(Value::Text(&session.name));
    format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = {name}"
    )
}
