//! Transactions of several statements: the slow way of a batch, and users' own.

use std::any::Any;
use std::sync::Arc;

use cluster_core::storage::{
    Batch, BoxFuture, Committed, Fence, OpenTransaction, StorageError, TransactionStorage,
};
use sqlx::postgres::{PgConnection, PgTransactionManager};
use sqlx_core::transaction::TransactionManager;

use super::connections::Lease;
use super::error::{is_aborted, leaves_connection, sure};
use super::session::{End, Session};
use super::storage::{Inner, Postgres};
use super::texts::Own;
use crate::batch::write_batch;
use crate::value::Columns;

/// Writes a batch statement by statement, and compares the fence together with the commit.
pub(super) async fn write_slowly(
    session: &mut Session,
    fence: Fence,
    batch: &Batch,
) -> Result<Committed, StorageError> {
    session.begin().await?;
    let written = match write_batch(session, batch).await {
        Ok(committed) => session.commit_fenced(fence, End::Commit).await.map(|()| committed),
        Err(error) => Err(error),
    };
    if let Err(error) = &written
        && leaves_connection(error)
    {
        session.roll_back().await?;
    }
    written
}

impl TransactionStorage for Postgres {
    fn begin(&self) -> BoxFuture<'_, Result<Box<dyn OpenTransaction>, StorageError>> {
        Box::pin(async move {
            let mut lease = self.inner.writers.lease().await?;
            let begin = async {
                // So that what the user begins on it is a savepoint.
                PgTransactionManager::begin(&mut lease.session.connection, None)
                    .await
                    .map_err(sure)?;
                transaction_number(&mut lease.session).await
            };
            let begun = self.inner.within(begin).await.and_then(|begun| begun);
            match begun {
                Ok(number) => {
                    let inner = self.inner.clone();
                    let open = PostgresTransaction { lease, number, inner };
                    Ok(Box::new(open) as Box<dyn OpenTransaction>)
                }
                Err(error) => {
                    lease.lost();
                    Err(error)
                }
            }
        })
    }
}

/// The server's number of the open transaction: another one when a statement has ended it.
async fn transaction_number(session: &mut Session) -> Result<Option<i64>, StorageError> {
    let text = session.texts.own(Own::TransactionNumber).clone();
    let rows = session.rows(&text, session.arguments()).await;
    let rows = rows.map_err(|error| match is_aborted(&error) {
        true => StorageError::TransactionEnded,
        false => sure(error),
    })?;
    Ok(rows.first().and_then(|row| row.integer(0)))
}

/// An open transaction of a user. Dropped, its connection is closed, and the server rolls back.
struct PostgresTransaction {
    lease: Lease,
    number: Option<i64>,
    inner: Arc<Inner>,
}

impl PostgresTransaction {
    /// Writes the batch, compares the fence and commits; the next transaction is open then.
    async fn write(&mut self, fence: Fence, batch: &Batch) -> Result<Committed, StorageError> {
        self.inner.limits.check(batch)?;
        let session = &mut self.lease.session;
        // One that was begun inside and left open would be what is committed.
        if PgTransactionManager::get_transaction_depth(&session.connection) != 1
            || transaction_number(session).await? != self.number
        {
            return Err(StorageError::TransactionEnded);
        }
        let committed = write_batch(session, batch).await?;
        session.commit_fenced(fence, End::CommitAndChain).await?;
        Ok(committed)
    }

    /// Ends what is open and gives the connection back.
    async fn end(mut self) {
        let connection = &mut self.lease.session.connection;
        if PgTransactionManager::get_transaction_depth(connection) == 1
            && PgTransactionManager::rollback(connection).await.is_ok()
        {
            self.lease.keep();
        }
    }
}

impl OpenTransaction for PostgresTransaction {
    fn connection(&mut self) -> &mut (dyn Any + Send) {
        &mut self.lease.session.connection
    }

    fn connection_ref(&self) -> &(dyn Any + Send) {
        let connection: &PgConnection = &self.lease.session.connection;
        connection
    }

    fn commit(
        mut self: Box<Self>,
        fence: Fence,
        batch: Arc<Batch>,
    ) -> BoxFuture<'static, Result<Committed, StorageError>> {
        Box::pin(async move {
            let inner = self.inner.clone();
            let written = inner.within_or_unknown(self.write(fence, &batch)).await;
            match &written {
                // The answer need not wait for it.
                Ok(_) => drop(tokio::spawn(self.end())),
                Err(error) if leaves_connection(error) => self.end().await,
                Err(_) => self.lease.lost(),
            }
            written
        })
    }

    fn rollback(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(self.end())
    }
}
