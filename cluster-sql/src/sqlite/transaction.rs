//! Users' transactions: a connection of sqlx, behind the gate of writers.

use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cluster_core::storage::{
    Batch, BoxFuture, Committed, Fence, OpenTransaction, StorageError, TransactionStorage,
};
use sqlx::query::Query;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqlitePool, SqlitePoolOptions,
    SqliteRow, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Connection, Row, Transaction};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;

use super::Sqlite;
use super::error::{Closed, sqlx_error};
use super::options::{SqliteOptions, Synchronous};
use super::storage::Inner;
use crate::batch::{check_fence, write_batch};
use crate::driver::Driver;
use crate::sql::{Sql, Texts};
use crate::value::{Columns, Value};

/// The connection of users' transactions: one, for the gate lets one in at a time. Opened when
/// first needed.
pub(super) struct UserConnections {
    pool: SqlitePool,
    ending: Arc<Ending>,
}

/// How the transaction in work ends: on a user's connection only the framework can commit.
#[derive(Debug, Default)]
struct Ending {
    /// Whether a COMMIT may go through; else the database makes it a rollback.
    may_commit: AtomicBool,
    /// A COMMIT went through.
    committed: AtomicBool,
    /// The transaction was rolled back.
    rolled_back: AtomicBool,
}

impl Ending {
    /// A new transaction has begun.
    fn reset(&self) {
        for mark in [&self.may_commit, &self.committed, &self.rolled_back] {
            mark.store(false, Ordering::SeqCst);
        }
    }

    /// A COMMIT is under way: says whether it goes through.
    fn commits(&self) -> bool {
        let commits = self.may_commit.load(Ordering::SeqCst);
        self.committed.store(commits, Ordering::SeqCst);
        commits
    }

    fn is_rolled_back(&self) -> bool {
        self.rolled_back.load(Ordering::SeqCst)
    }
}

impl UserConnections {
    pub(super) fn new(path: PathBuf, options: &SqliteOptions) -> Self {
        let synchronous = match options.synchronous {
            Synchronous::Full => SqliteSynchronous::Full,
            Synchronous::Normal => SqliteSynchronous::Normal,
        };
        let connect = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .busy_timeout(options.busy_timeout)
            .synchronous(synchronous)
            // The committer's thread writes the log back.
            .pragma("wal_autocheckpoint", "0")
            .thread_name(|_| "cluster-sqlite-u".to_owned());
        let ending = Arc::<Ending>::default();
        let watched = ending.clone();
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .after_connect(move |connection, _| {
                let (committing, rolling_back) = (watched.clone(), watched.clone());
                Box::pin(async move {
                    let mut handle = connection.lock_handle().await?;
                    handle.set_commit_hook(move || committing.commits());
                    handle.set_rollback_hook(move || {
                        rolling_back.rolled_back.store(true, Ordering::SeqCst);
                    });
                    Ok(())
                })
            })
            // One whose transaction ended behind the back of sqlx is closed, which ends whatever
            // there is.
            .after_release(|connection, _| {
                let idle = !connection.is_in_transaction();
                Box::pin(std::future::ready(Ok(idle)))
            })
            .connect_lazy_with(connect);
        UserConnections { pool, ending }
    }
}

impl TransactionStorage for Sqlite {
    fn begin(&self) -> BoxFuture<'_, Result<Box<dyn OpenTransaction>, StorageError>> {
        Box::pin(async move {
            let turn = self.inner.gate.0.clone().acquire_owned().await;
            let turn = turn.map_err(|_| StorageError::unavailable(Closed))?;
            let users = &self.inner.users;
            let transaction = users.pool.begin_with("BEGIN IMMEDIATE").await.map_err(sqlx_error)?;
            users.ending.reset();
            let open = SqliteTransaction {
                open: Some((transaction, turn)),
                inner: self.inner.clone(),
                runtime: Handle::current(),
            };
            Ok(Box::new(open) as Box<dyn OpenTransaction>)
        })
    }
}

/// An open transaction of a user. Dropped, it rolls back and then leaves the gate.
struct SqliteTransaction {
    /// The transaction and its turn at the gate; `Some` until it ends.
    open: Option<(Transaction<'static, sqlx::Sqlite>, OwnedSemaphorePermit)>,
    inner: Arc<Inner>,
    /// Where it rolls back when it is dropped.
    runtime: Handle,
}

const OPEN: &str = "open until it ends";

impl SqliteTransaction {
    fn user(&mut self) -> &mut SqliteConnection {
        &mut self.open.as_mut().expect(OPEN).0
    }

    /// Writes the batch. The transaction stays open, whatever comes of it.
    async fn write(&mut self, fence: Fence, batch: &Batch) -> Result<Committed, StorageError> {
        self.inner.options.limits.check(batch)?;
        self.check_open()?;
        let texts = self.inner.texts.clone();
        let mut session = UserSession { connection: self.user(), texts: &texts };
        let committed = write_batch(&mut session, batch).await?;
        check_fence(&mut session, fence).await?;
        // The batch ran behind whatever the user still had under way.
        self.check_open()?;
        Ok(committed)
    }

    fn check_open(&self) -> Result<(), StorageError> {
        match self.inner.users.ending.is_rolled_back() {
            // It lets no handler commit: nothing of it is there.
            true => Err(StorageError::TransactionFailed),
            false => Ok(()),
        }
    }

    /// Commits and leaves the gate.
    async fn commit(mut self) -> Result<(), StorageError> {
        let ending = &self.inner.users.ending;
        ending.may_commit.store(true, Ordering::SeqCst);
        let (transaction, turn) = self.open.take().expect(OPEN);
        let done = transaction.commit().await.map_err(commit_error);
        // A nested transaction that the user leaked would be what was committed.
        let committed = ending.committed.load(Ordering::SeqCst);
        drop(turn);
        match done {
            Ok(()) if !committed => Err(StorageError::TransactionFailed),
            done => done,
        }
    }

    /// Rolls back and leaves the gate.
    async fn roll_back(mut self) {
        let (transaction, turn) = self.open.take().expect(OPEN);
        roll_back(transaction, turn).await;
    }
}

/// A constraint that is checked at the commit lets nothing be written; of all else nobody knows.
fn commit_error(error: sqlx::Error) -> StorageError {
    match error.as_database_error().is_some_and(|error| error.is_foreign_key_violation()) {
        true => StorageError::TransactionRefused { source: Arc::new(error) },
        false => StorageError::unknown_outcome(error),
    }
}

async fn roll_back(transaction: Transaction<'static, sqlx::Sqlite>, turn: OwnedSemaphorePermit) {
    // It fails when the user has ended it; then the connection is closed.
    let _ = transaction.rollback().await;
    drop(turn);
}

impl OpenTransaction for SqliteTransaction {
    fn connection(&mut self) -> &mut (dyn Any + Send) {
        self.user()
    }

    fn connection_ref(&self) -> &(dyn Any + Send) {
        let connection: &SqliteConnection = &self.open.as_ref().expect(OPEN).0;
        connection
    }

    fn commit(
        mut self: Box<Self>,
        fence: Fence,
        batch: Arc<Batch>,
    ) -> BoxFuture<'static, Result<Committed, StorageError>> {
        Box::pin(async move {
            match self.write(fence, &batch).await {
                Ok(committed) => SqliteTransaction::commit(*self).await.map(|()| committed),
                Err(error) => {
                    self.roll_back().await;
                    Err(error)
                }
            }
        })
    }

    fn rollback(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(self.roll_back())
    }
}

impl Drop for SqliteTransaction {
    fn drop(&mut self) {
        if let Some((transaction, turn)) = self.open.take() {
            // Dropped anywhere, also where no runtime is; one that has ended drops the task, and
            // the connection then closes by itself.
            let _entered = self.runtime.enter();
            self.runtime.spawn(roll_back(transaction, turn));
        }
    }
}

/// Runs the statements of a batch on a user's connection.
struct UserSession<'a> {
    connection: &'a mut SqliteConnection,
    texts: &'a Texts,
}

impl UserSession<'_> {
    fn query(
        &self,
        sql: Sql,
        values: &[Value<'_>],
    ) -> Query<'static, sqlx::Sqlite, SqliteArguments> {
        let mut query = sqlx::query(AssertSqlSafe(self.texts.text(sql).clone()));
        for value in values {
            query = match value {
                Value::Null => query.bind(None::<i64>),
                Value::Integer(number) => query.bind(*number),
                Value::Bytes(bytes) => query.bind(bytes.to_vec()),
                Value::Text(text) | Value::Words(text) => query.bind((*text).to_owned()),
            };
        }
        query
    }
}

impl Driver for UserSession<'_> {
    async fn execute(&mut self, sql: Sql, values: &[Value<'_>]) -> Result<usize, StorageError> {
        let done = self.query(sql, values).execute(&mut *self.connection).await;
        let rows = done.map_err(sqlx_error)?.rows_affected();
        Ok(usize::try_from(rows).unwrap_or(usize::MAX))
    }

    async fn first<T: Send>(
        &mut self,
        sql: Sql,
        values: &[Value<'_>],
        read: fn(&dyn Columns) -> Result<T, StorageError>,
    ) -> Result<Option<T>, StorageError> {
        let row = self.query(sql, values).fetch_optional(&mut *self.connection).await;
        row.map_err(sqlx_error)?.map(|row| read(&row)).transpose()
    }
}

impl Columns for SqliteRow {
    fn integer(&self, at: usize) -> Option<i64> {
        self.try_get(at).ok().flatten()
    }

    fn bytes(&self, at: usize) -> Option<&[u8]> {
        self.try_get(at).ok().flatten()
    }
}
