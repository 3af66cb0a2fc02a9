//! Users' transactions.

use cluster_core::storage::StorageError;

/// What came of ending a transaction by one packet.
pub(crate) enum AtOnce {
    /// It is committed, and this is how the connection is left.
    Done(How),
    /// Nothing is written, with this error: what the batch asks for does not hold, or the fence; or
    /// what the user's own tables ask for at a commit.
    InTheWay(StorageError),
    /// It is too large for a packet, or the server has none of the kind; nothing was done.
    NotThisWay,
}

/// How what a transaction was for has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// It is committed, and the connection is as it was before.
    SetBack,
    /// It is committed; another one is open, in which nothing was done.
    Committed,
    /// With an outcome that is elsewhere.
    Well,
    /// It has failed.
    Badly,
}

/// Says whether a transaction is at its end the one that was begun, with no other one inside, by
/// the driver's count and by its mark.
pub(crate) fn check_end(depth: usize, is_marked: bool) -> Result<(), StorageError> {
    match (depth, is_marked) {
        (1, true) => Ok(()),
        // The driver itself has rolled it back, or one inside would be what is committed.
        (0, _) | (_, true) => Err(StorageError::TransactionFailed),
        (_, false) => Err(StorageError::TransactionEnded),
    }
}

/// Implements them for a storage, whose database has its own ways to `begin` one, to `check_open`
/// that it is still the same one, to `end_at_once` with all that needs, to `give_back` the
/// connection when it has ended, and the `text_of_stop` that ends it from another connection.
macro_rules! server_transactions {
    ($storage:ident, $server:ident) => {
        use std::any::Any;
        use std::sync::Arc;

        use cluster_core::storage::{
            Batch, BoxFuture, Committed, Fence, OpenTransaction, StorageError, TransactionStorage,
        };
        use futures_util::StreamExt;
        use $crate::batch::{check_fence, write_batch};
        use $crate::server::{
            AtOnce, Attempts, End, How, Inner, Lease, Marks, ServerSession, is_plain,
            leaves_connection, of_users, reading,
        };

        impl TransactionStorage for $storage {
            fn begin(&self) -> BoxFuture<'_, Result<Box<dyn OpenTransaction>, StorageError>> {
                Box::pin(async move {
                    let mut attempts = Attempts::default();
                    loop {
                        let mut lease = self.inner.own.lease_when_free().await?;
                        let answers = lease.session.answers().clone();
                        let begun = self.inner.within(answers, begin(&mut lease.session)).await;
                        match begun.and_then(|begun| begun) {
                            Ok(begun) => {
                                let open = Transaction { lease, begun, inner: self.inner.clone() };
                                return Ok(Box::new(open) as Box<dyn OpenTransaction>);
                            }
                            Err(error) => {
                                lease.lost();
                                if !attempts.another_after(&error) {
                                    return Err(error);
                                }
                                // What ended it has most likely ended those beside it, too.
                                self.inner.own.forget_idle();
                            }
                        }
                    }
                })
            }
        }

        /// An open transaction of a user. Dropped, its connection is closed, and the server rolls
        /// back.
        struct Transaction {
            lease: Lease<$server>,
            begun: Begun,
            inner: Arc<Inner<$server>>,
        }

        impl Transaction {
            /// Writes the batch, compares the fence and commits.
            async fn write(
                &mut self,
                fence: Fence,
                batch: &Batch,
            ) -> Result<(Committed, How), StorageError> {
                self.inner.settings.limits.check(batch)?;
                let (session, marks) = (&mut self.lease.session, &self.inner.marks);
                if is_plain(batch) && batch.accepts.is_empty() {
                    match end_at_once(session, &self.begun, marks, fence, batch).await? {
                        AtOnce::Done(how) => return Ok((Committed::default(), how)),
                        AtOnce::InTheWay(error) => {
                            return Err(self.why_not(fence, batch, error).await);
                        }
                        AtOnce::NotThisWay => {}
                    }
                }
                check_open(session, &self.begun).await?;
                let committed = write_batch(session, batch).await?;
                session.commit_fenced(fence, End::CommitAndChain).await?;
                Ok((committed, How::Committed))
            }

            /// Finds out why the batch was not written at once: it is written row by row in another
            /// transaction, and that is rolled back.
            async fn why_not(
                &mut self,
                fence: Fence,
                batch: &Batch,
                error: StorageError,
            ) -> StorageError {
                let session = &mut self.lease.session;
                let written = write_again(session, fence, batch).await;
                let found = written.err().unwrap_or(error);
                session.roll_back_after::<()>(Err(found)).await.expect_err("it has failed")
            }

            /// Ends what is open and gives the connection back. A statement that a handler has left
            /// may wait for others, as long as they like: nobody waits for that here.
            async fn end(mut self, how: How) {
                let given_back = self.inner.soon(give_back(&mut self.lease.session, how)).await;
                match given_back {
                    Some(true) if how != How::Badly => self.lease.keep(),
                    Some(_) => self.lease.failed(),
                    None => self.stop(),
                }
            }

            /// Ends at the server what is open, beside everything else: it may wait for others, or
            /// hold what others wait for. The connection is held until then, for nobody else's is
            /// to be the one that is ended.
            fn stop(self) {
                tokio::spawn(async move {
                    if let Err(error) = self.stopped().await {
                        tracing::warn!(%error, "a statement given up may go on at the server");
                    }
                });
            }

            async fn stopped(self) -> Result<(), StorageError> {
                let text = text_of_stop(&self.lease.session);
                reading!(self.inner, session => async {
                    session.simple(text.clone()).await.map_err(sure)
                })
            }
        }

        /// Runs a packet whose statement of this number commits, and others after it set back what
        /// a user may have set. What fails after the commit was heard of is none of its own.
        async fn commit_and_set_back(
            session: &mut Session,
            packet: String,
            commit: usize,
        ) -> Result<How, sqlx::Error> {
            let packet = sqlx::raw_sql(sqlx::AssertSqlSafe(packet));
            let mut results = packet.execute_many(&mut session.connection);
            let mut done = 0;
            while let Some(result) = results.next().await {
                match result {
                    Ok(_) => done += 1,
                    Err(_) if done >= commit => return Ok(How::Badly),
                    Err(error) => return Err(error),
                }
            }
            Ok(How::SetBack)
        }

        /// Writes the batch row by row in another transaction, which stays open.
        async fn write_again(
            session: &mut Session,
            fence: Fence,
            batch: &Batch,
        ) -> Result<(), StorageError> {
            let text = format!("{}; {}", Session::ROLLBACK, Session::BEGIN);
            session.run_in_transaction(&text).await?;
            check_fence(session, fence).await?;
            write_batch(session, batch).await.map(drop)
        }

        impl OpenTransaction for Transaction {
            fn connection(&mut self) -> &mut (dyn Any + Send) {
                &mut self.lease.session.connection
            }

            fn connection_ref(&self) -> &(dyn Any + Send) {
                &self.lease.session.connection
            }

            fn commit(
                mut self: Box<Self>,
                fence: Fence,
                batch: Arc<Batch>,
            ) -> BoxFuture<'static, Result<Committed, StorageError>> {
                Box::pin(async move {
                    let inner = self.inner.clone();
                    let answers = self.lease.session.answers().clone();
                    let written = self.write(fence, &batch);
                    let written = inner.within_or_unknown(answers, written).await;
                    match &written {
                        Ok((_, How::SetBack)) => self.lease.keep(),
                        // The answer need not wait for it.
                        Ok((_, how)) => drop(tokio::spawn(self.end(*how))),
                        Err(error) if leaves_connection(error) => self.end(How::Badly).await,
                        Err(_) => self.stop(),
                    }
                    written.map(|(committed, _)| committed).map_err(of_users)
                })
            }

            fn rollback(self: Box<Self>) -> BoxFuture<'static, ()> {
                Box::pin(self.end(How::Well))
            }

            fn abandon(self: Box<Self>) -> BoxFuture<'static, ()> {
                Box::pin(self.end(How::Badly))
            }
        }
    };
}
pub(crate) use server_transactions;
