//! Users' own transactions.

use sqlx::mysql::MySqlTransactionManager;
use sqlx_core::transaction::TransactionManager;

use super::commit_text::{BEGIN_MARK, bytes_of, packet_of_ends};
use super::error::{commit_error, is_ended, is_gate, sure};
use super::session::Session;
use super::storage::{MySql, MySqlServer};
use crate::server::{check_end, server_transactions};

server_transactions!(MySql, MySqlServer);

/// Nothing but that mark says which transaction it is.
type Begun = ();

async fn begin(session: &mut Session) -> Result<Begun, StorageError> {
    // The driver is to believe that one is open, so that what the user begins on it is a savepoint;
    // from then on it does.
    if depth(session) == 0 {
        MySqlTransactionManager::begin(&mut session.connection, None).await.map_err(sure)?;
    }
    let text = format!("{}; SAVEPOINT {BEGIN_MARK}", Session::BEGIN);
    let text = match session.has_compound_statements {
        true => compound(&text),
        false => text,
    };
    session.simple(text).await.map_err(sure)
}

/// Statements as one, which the server answers once: for each of several it would send a packet.
fn compound(statements: &str) -> String {
    format!("BEGIN NOT ATOMIC {statements}; END")
}

/// Says whether the transaction is still the one that was begun: also a statement that makes a
/// table ends it, and a deadlock.
async fn check_open(session: &mut Session, (): &Begun) -> Result<(), StorageError> {
    let is_marked = match session.simple(format!("RELEASE SAVEPOINT {BEGIN_MARK}")).await {
        Ok(()) => true,
        Err(error) if is_ended(&error) => false,
        Err(error) => return Err(sure(error)),
    };
    check_end(depth(session), is_marked)
}

fn depth(session: &Session) -> usize {
    MySqlTransactionManager::get_transaction_depth(&session.connection)
}

/// Writes ends of requests, commits and sets the connection back in one packet, where the server
/// takes it, if the fence holds and the transaction is still the one that was begun.
async fn end_at_once(
    session: &mut Session,
    (): &Begun,
    marks: &Marks,
    fence: Fence,
    batch: &Batch,
) -> Result<AtOnce, StorageError> {
    if depth(session) != 1
        || !session.has_compound_statements
        || !session.takes(bytes_of(&[], batch))
    {
        return Ok(AtOnce::NotThisWay);
    }
    let mut text = packet_of_ends(&session.texts.prefix, marks, fence, batch);
    text.push_str(&format!("; {}", session.set_back()));
    if !session.takes(text.len()) {
        return Ok(AtOnce::NotThisWay);
    }
    match commit_and_set_back(session, text, 1).await {
        Ok(how) => Ok(AtOnce::Done(how)),
        Err(error) if is_ended(&error) => Err(StorageError::TransactionEnded),
        Err(error) if is_gate(&error) => Ok(AtOnce::InTheWay(sure(error))),
        Err(error) => Err(commit_error(error)),
    }
}

/// Rolls back what is open; says whether the connection may be used again, which is as it was then.
async fn give_back(session: &mut Session, _: How) -> bool {
    depth(session) == 1 && session.give_back().await.is_ok()
}

/// The statement that ends the connection, and what is open on it: users may end their own.
fn text_of_stop(session: &Session) -> String {
    format!("KILL {}", session.number)
}
