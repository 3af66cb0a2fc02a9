//! The user's own SQL in the handler's commit.

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use parking_lot::Mutex;

use super::context::Context;
use crate::commit::Lane;
use crate::error::ClusterError;
use crate::storage::{Database, OpenTransaction};

/// Where a handler's open transaction waits while the handler does not hold it.
#[derive(Default)]
pub(super) struct TransactionSlot(Mutex<Place>);

#[derive(Default)]
enum Place {
    /// The handler did not declare one.
    #[default]
    Undeclared,
    /// Declared, not opened.
    Closed,
    /// About to be opened.
    Opening,
    /// Opened and lent to the handler.
    Lent,
    /// Opened, not lent.
    Open(Opened),
}

/// A transaction, on a database with one writer with the right to write: nobody else writes until
/// both are gone.
pub(super) struct Opened {
    /// Ends before the right is given on.
    pub(super) transaction: Box<dyn OpenTransaction>,
    /// Where others write beside it, that is given at its end.
    pub(super) lane: Option<Lane>,
}

impl TransactionSlot {
    pub(super) fn new(declared: bool) -> Self {
        TransactionSlot(Mutex::new(if declared { Place::Closed } else { Place::Undeclared }))
    }

    /// Whether there is one, or will be at once: calls are not to be awaited then.
    pub(super) fn is_wanted(&self) -> bool {
        !matches!(*self.0.lock(), Place::Undeclared | Place::Closed)
    }

    /// Whether it holds up others.
    pub(super) fn is_open(&self) -> bool {
        matches!(*self.0.lock(), Place::Lent | Place::Open(_))
    }

    /// Takes the transaction at the handler's end.
    ///
    /// # Errors
    /// When the handler has kept it.
    pub(super) fn take(&self) -> Result<Option<Opened>, KeptTransaction> {
        match std::mem::replace(&mut *self.0.lock(), Place::Undeclared) {
            Place::Open(opened) => Ok(Some(opened)),
            Place::Opening | Place::Lent => Err(KeptTransaction),
            Place::Undeclared | Place::Closed => Ok(None),
        }
    }
}

/// Why `ctx.transaction()` gives none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum NoTransaction {
    #[error("the message is not declared `#[message(persisted, transaction)]`")]
    Undeclared,
    #[error("the transaction is already held; drop the earlier guard first")]
    Held,
    #[error("the cluster's storage is {storage}, which is not the {asked} asked for")]
    OtherDatabase { storage: &'static str, asked: &'static str },
}

impl NoTransaction {
    /// Whether the error is one of these that only another program can mend.
    pub(super) fn is_mistake(error: &ClusterError) -> bool {
        let ClusterError::Persistence { source } = error else { return false };
        matches!(source.downcast_ref(), Some(Self::Undeclared | Self::OtherDatabase { .. }))
    }
}

/// The handler ended without giving the transaction back.
#[derive(Debug, thiserror::Error)]
#[error("the handler kept its transaction beyond its end; drop the guard before returning")]
pub(super) struct KeptTransaction;

impl Context {
    /// The storage's own transaction: what is written through it commits with the handler's
    /// outcome, state and outgoing messages, or not at all. The first use opens it, later ones in
    /// the same handler give the same one. It is bounded by `transaction_limit`.
    ///
    /// `COMMIT` and `ROLLBACK` are the handler's end's, and on MariaDB `CREATE TABLE` and its like
    /// commit too. What is committed so stays, and another attempt would do it twice: a persisted
    /// request whose handler returns `Ok` after that becomes a dead letter at once. After a panic,
    /// or an error, nobody looks for it. On MariaDB an ignored deadlock cannot be told from it, nor
    /// on PostgreSQL a `RESET ALL`, which is the handler's end's, too.
    ///
    /// No call is awaited while it is open, for others may wait for the rows that it holds: that
    /// ends at once with `Reentrant`. Call before, or use `.send()`.
    ///
    /// Its connection is used again. PostgreSQL's settings and role are set back; so are MariaDB's
    /// role, database, and those variables that change what statements do or see: modes, times,
    /// checks, limits, isolation, character sets, increments. What else a session keeps may still
    /// be there in the next handler's transaction, or keep others out: other variables, temporary
    /// tables, cursors `WITH HOLD`, locks by name. Where there is a form that ends with the
    /// transaction or the statement (`SET LOCAL`, `SET STATEMENT`), use that.
    ///
    /// # Errors
    /// `Persistence`: the message is not declared with `transaction`, the storage is of another
    /// kind than `D`, the guard is held already, or no transaction can be opened now. A persisted
    /// request whose handler ends with one of the first two becomes a dead letter at once.
    pub async fn transaction<D: Database>(&self) -> Result<Transaction<'_, D>, ClusterError> {
        let refuse = |why: NoTransaction| ClusterError::Persistence { source: Arc::new(why) };
        let slot = &self.0.transaction;
        let taken = {
            let mut place = slot.0.lock();
            match std::mem::replace(&mut *place, Place::Lent) {
                Place::Undeclared => {
                    *place = Place::Undeclared;
                    return Err(refuse(NoTransaction::Undeclared));
                }
                Place::Opening => {
                    *place = Place::Opening;
                    return Err(refuse(NoTransaction::Held));
                }
                Place::Lent => return Err(refuse(NoTransaction::Held)),
                Place::Closed => {
                    *place = Place::Opening;
                    None
                }
                Place::Open(opened) => Some(opened),
            }
        };
        let opened = match taken {
            Some(opened) => opened,
            None => self.open_transaction::<D>().await?,
        };
        let mut guard = Transaction { slot, opened: Some(opened), of: PhantomData::<fn() -> D> };
        if guard.connection().is_none() {
            let storage = self.shared().storage.kind();
            return Err(refuse(NoTransaction::OtherDatabase { storage, asked: D::NAME }));
        }
        Ok(guard)
    }

    async fn open_transaction<D: Database>(&self) -> Result<Opened, ClusterError> {
        let opening = Opening { slot: &self.0.transaction, done: false };
        let persistence = |source| ClusterError::Persistence { source };
        let storage = &self.shared().storage;
        let Some(transactions) = storage.transactions() else {
            let other = NoTransaction::OtherDatabase { storage: storage.kind(), asked: D::NAME };
            return Err(persistence(Arc::new(other)));
        };
        let committer = &self.shared().committer;
        let lane = match committer.has_two_tracks() {
            true => None,
            false => Some(committer.lane().await),
        };
        let begun = transactions.begin().await;
        let transaction = begun.map_err(|error| persistence(Arc::new(error)))?;
        if opening.done() {
            Ok(Opened { transaction, lane })
        } else {
            Err(persistence(Arc::new(KeptTransaction)))
        }
    }
}

/// Puts the slot back to closed when opening fails or is dropped.
struct Opening<'a> {
    slot: &'a TransactionSlot,
    done: bool,
}

impl Opening<'_> {
    /// It is open. Says whether its handler still wants it.
    fn done(mut self) -> bool {
        self.done = true;
        let mut place = self.slot.0.lock();
        let wanted = matches!(*place, Place::Opening);
        if wanted {
            *place = Place::Lent;
        }
        wanted
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        let mut place = self.slot.0.lock();
        if !self.done && matches!(*place, Place::Opening) {
            *place = Place::Closed;
        }
    }
}

/// A handler's hold on the storage's own transaction; derefs to the database's connection. Dropping
/// it hands the transaction back: the handler's end commits it or rolls it back.
pub struct Transaction<'a, D: Database> {
    slot: &'a TransactionSlot,
    /// `Some` until dropped.
    opened: Option<Opened>,
    of: PhantomData<fn() -> D>,
}

impl<D: Database> Transaction<'_, D> {
    fn connection(&mut self) -> Option<&mut D::Connection> {
        let opened = self.opened.as_mut()?;
        opened.transaction.connection().downcast_mut::<D::Connection>()
    }
}

impl<D: Database> Deref for Transaction<'_, D> {
    type Target = D::Connection;

    fn deref(&self) -> &D::Connection {
        let opened = self.opened.as_ref().expect("held until dropped");
        opened.transaction.connection_ref().downcast_ref().expect("checked when it was given")
    }
}

impl<D: Database> DerefMut for Transaction<'_, D> {
    fn deref_mut(&mut self) -> &mut D::Connection {
        self.connection().expect("checked when it was given")
    }
}

impl<D: Database> Drop for Transaction<'_, D> {
    fn drop(&mut self) {
        let mut place = self.slot.0.lock();
        if matches!(*place, Place::Lent) {
            // Else the handler has ended without it, and it rolls back here.
            *place = self.opened.take().map_or(Place::Closed, Place::Open);
        }
    }
}

impl<D: Database> fmt::Debug for Transaction<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transaction<{}>", type_name::<D>())
    }
}
