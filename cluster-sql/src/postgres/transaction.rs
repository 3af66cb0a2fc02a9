//! Users' own transactions.

use sqlx::postgres::PgTransactionManager;
use sqlx_core::transaction::TransactionManager;

use super::error::{is_aborted, sure};
use super::session::Session;
use super::storage::{Postgres, PostgresServer};
use super::texts::Own;
use crate::server::server_transactions;
use crate::value::Columns;

server_transactions!(Postgres, PostgresServer);

/// The server's number of the open transaction: another one when a statement has ended it.
type Begun = Option<i64>;

async fn begin(session: &mut Session) -> Result<Begun, StorageError> {
    // So that what the user begins on it is a savepoint.
    PgTransactionManager::begin(&mut session.connection, None).await.map_err(sure)?;
    transaction_number(session).await
}

async fn transaction_number(session: &mut Session) -> Result<Begun, StorageError> {
    let text = session.texts.own(Own::TransactionNumber).clone();
    let rows = session.rows(&text, session.arguments()).await;
    let rows = rows.map_err(|error| match is_aborted(&error) {
        true => StorageError::TransactionEnded,
        false => sure(error),
    })?;
    Ok(rows.first().and_then(|row| row.integer(0)))
}

/// Says whether the transaction is still the one that was begun.
async fn check_open(session: &mut Session, begun: &Begun) -> Result<(), StorageError> {
    // One that was begun inside and left open would be what is committed.
    if PgTransactionManager::get_transaction_depth(&session.connection) == 1
        && transaction_number(session).await? == *begun
    {
        return Ok(());
    }
    Err(StorageError::TransactionEnded)
}

/// Rolls back what is open; says whether the connection may be used again.
async fn give_back(session: &mut Session) -> bool {
    let connection = &mut session.connection;
    PgTransactionManager::get_transaction_depth(connection) == 1
        && PgTransactionManager::rollback(connection).await.is_ok()
}
