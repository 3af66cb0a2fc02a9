//! Users' own transactions.

use sqlx::mysql::MySqlTransactionManager;
use sqlx_core::transaction::TransactionManager;

use super::commit_text::{bytes_of, packet_of_ends};
use super::error::{is_ended, is_gate, sure};
use super::session::Session;
use super::storage::{MySql, MySqlServer};
use crate::server::server_transactions;

server_transactions!(MySql, MySqlServer);

/// Set at the beginning of a user's transaction: it is there as long as that is the same one.
const BEGIN_MARK: &str = "cluster_begin";

/// Nothing but that mark says which transaction it is.
type Begun = ();

async fn begin(session: &mut Session) -> Result<Begun, StorageError> {
    // The driver is to believe that one is open, so that what the user begins on it is a savepoint;
    // from then on it does.
    if MySqlTransactionManager::get_transaction_depth(&session.connection) == 0 {
        MySqlTransactionManager::begin(&mut session.connection, None).await.map_err(sure)?;
    }
    session.simple(format!("{}; SAVEPOINT {BEGIN_MARK}", Session::BEGIN)).await.map_err(sure)
}

/// Says whether the transaction is still the one that was begun: also a statement that makes a
/// table ends it, and a deadlock.
async fn check_open(session: &mut Session, (): &Begun) -> Result<(), StorageError> {
    // One that was begun inside and left open would be what is committed.
    if MySqlTransactionManager::get_transaction_depth(&session.connection) != 1 {
        return Err(StorageError::TransactionEnded);
    }
    let released = session.simple(format!("RELEASE SAVEPOINT {BEGIN_MARK}")).await;
    released.map_err(|error| match is_ended(&error) {
        true => StorageError::TransactionEnded,
        false => sure(error),
    })
}

/// Writes ends of requests, in one packet where the server takes it, if the transaction is still
/// the one that was begun.
async fn write_ends(
    session: &mut Session,
    begun: &Begun,
    batch: &Batch,
) -> Result<Written, StorageError> {
    check_open(session, begun).await?;
    if session.has_compound_statements && session.takes(bytes_of(&[], batch)) {
        let text = packet_of_ends(&session.texts.prefix, batch);
        if session.takes(text.len()) {
            return match session.simple(text).await {
                Ok(()) => Ok(Written::Done(Committed::default())),
                Err(error) if is_gate(&error) => Ok(Written::NotThisWay),
                Err(error) => Err(sure(error)),
            };
        }
    }
    write_batch(session, batch).await.map(Written::Done)
}

/// Rolls back what is open; says whether the connection may be used again, which is as it was then.
async fn give_back(session: &mut Session) -> bool {
    MySqlTransactionManager::get_transaction_depth(&session.connection) == 1
        && session.give_back().await.is_ok()
}

/// The statement that ends the connection, and what is open on it: users may end their own.
fn text_of_stop(session: &Session) -> String {
    format!("KILL {}", session.number)
}
