//! Transactions of several statements: the slow way of a batch, and users' own.

use std::any::Any;
use std::sync::Arc;

use cluster_core::storage::{
    Batch, BoxFuture, Committed, Fence, OpenTransaction, StorageError, TransactionStorage,
};
use sqlx::MySqlConnection;
use sqlx::mysql::MySqlTransactionManager;
use sqlx_core::transaction::TransactionManager;

use super::connections::Lease;
use super::error::{is_ended, leaves_connection, sure};
use super::session::{End, Session};
use super::storage::{Inner, MySql};
use crate::batch::write_batch;

/// Set at the beginning of a user's transaction: it is there as long as that is the same one.
const BEGIN_MARK: &str = "cluster_begin";

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
    session.roll_back_after(written).await
}

impl TransactionStorage for MySql {
    fn begin(&self) -> BoxFuture<'_, Result<Box<dyn OpenTransaction>, StorageError>> {
        Box::pin(async move {
            let mut lease = self.inner.writers.lease().await?;
            let begin = async {
                // So that what the user begins on it is a savepoint.
                MySqlTransactionManager::begin(&mut lease.session.connection, None)
                    .await
                    .map_err(sure)?;
                let mark = format!("SAVEPOINT {BEGIN_MARK}");
                lease.session.simple(mark).await.map_err(sure)
            };
            let begun = self.inner.within(begin).await.and_then(|begun| begun);
            match begun {
                Ok(()) => {
                    let inner = self.inner.clone();
                    let open = MySqlTransaction { lease, inner };
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

/// Says whether the transaction is still the one that was begun: also a statement that makes a
/// table ends it, and a deadlock.
async fn check_open(session: &mut Session) -> Result<(), StorageError> {
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

/// An open transaction of a user. Dropped, its connection is closed, and the server rolls back.
struct MySqlTransaction {
    lease: Lease,
    inner: Arc<Inner>,
}

impl MySqlTransaction {
    /// Writes the batch, compares the fence and commits; the next transaction is open then.
    async fn write(&mut self, fence: Fence, batch: &Batch) -> Result<Committed, StorageError> {
        self.inner.limits.check(batch)?;
        let session = &mut self.lease.session;
        check_open(session).await?;
        let committed = write_batch(session, batch).await?;
        session.commit_fenced(fence, End::CommitAndChain).await?;
        Ok(committed)
    }

    /// Ends what is open and gives the connection back, as it was.
    async fn end(mut self) {
        let session = &mut self.lease.session;
        if MySqlTransactionManager::get_transaction_depth(&session.connection) == 1
            && MySqlTransactionManager::rollback(&mut session.connection).await.is_ok()
            && session.give_back().await.is_ok()
        {
            self.lease.keep();
        }
    }
}

impl OpenTransaction for MySqlTransaction {
    fn connection(&mut self) -> &mut (dyn Any + Send) {
        &mut self.lease.session.connection
    }

    fn connection_ref(&self) -> &(dyn Any + Send) {
        let connection: &MySqlConnection = &self.lease.session.connection;
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
