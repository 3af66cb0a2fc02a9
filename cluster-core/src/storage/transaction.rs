//! The user's own rows in the entity's commit.

use std::any::Any;
use std::sync::Arc;

use super::batch::{Batch, Committed};
use super::ownership::Fence;
use super::{BoxFuture, StorageError};

/// A kind of database, by its storage's type: what `ctx.transaction::<Sqlite>()` names.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a database",
    label = "no statements run on this",
    note = "name the type of a storage that has a database, as in `ctx.transaction::<Sqlite>()`"
)]
pub trait Database: 'static {
    /// What users' statements run on.
    type Connection: Send + 'static;
    /// The storage's [`kind`](super::Storage::kind).
    const NAME: &'static str;
}

/// A storage whose database can run users' statements in the transaction of a handler.
pub trait TransactionStorage: Send + Sync + 'static {
    /// Opens a transaction. On a database with one writer it takes the write lock: the committer
    /// waits until it ends. Where [`Storage::writes_in_two`](super::Storage::writes_in_two), it is
    /// open beside the committer's and beside others of its sort; more than there may be wait until
    /// one has ended.
    ///
    /// # Errors
    /// `Unavailable` when no connection can be made.
    fn begin(&self) -> BoxFuture<'_, Result<Box<dyn OpenTransaction>, StorageError>>;
}

/// An open transaction. Dropped without `commit`, it rolls back.
pub trait OpenTransaction: Send {
    /// The connection that users' statements run on: a [`Database::Connection`] of the storage's
    /// [`Database`].
    fn connection(&mut self) -> &mut (dyn Any + Send);

    /// The same, to look at.
    fn connection_ref(&self) -> &(dyn Any + Send);

    /// Writes the batch in the same transaction, compares the fence last, and commits.
    ///
    /// # Errors
    /// As [`MessageStorage::commit`](super::MessageStorage::commit), and `TransactionEnded` when a
    /// statement of the user ended the transaction, `Interrupted` when others did;
    /// `TransactionRefused` for what the handler wrote that cannot be committed. After
    /// `UnknownOutcome` raise the fence; then the outcome of the handler's request tells whether it
    /// committed; it cannot be written again, the handler must run again if it did not.
    fn commit(
        self: Box<Self>,
        fence: Fence,
        batch: Arc<Batch>,
    ) -> BoxFuture<'static, Result<Committed, StorageError>>;

    /// Rolls back.
    fn rollback(self: Box<Self>) -> BoxFuture<'static, ()>;

    /// Rolls back after its handler has failed, perhaps because of what the connection keeps, such
    /// as a statement whose table has changed since: the next handler gets another one. At first
    /// the same as [`rollback`](OpenTransaction::rollback).
    fn abandon(self: Box<Self>) -> BoxFuture<'static, ()> {
        self.rollback()
    }
}
