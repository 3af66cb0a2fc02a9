//! Transactions that are not the committer's.

use std::sync::Arc;

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard};

use super::batching::tell_reminded;
use super::committer::Committer;
use super::reminders::{Reminded, ReminderIntent, Reminders, keys_of};
use super::unit::Writes;
use crate::id::Seq;
use crate::storage::{Batch, Fence, StorageError};

impl Committer {
    /// Waits for the right to write alone. Cancel safe.
    pub(crate) async fn lane(self: &Arc<Self>) -> Lane {
        let turn = Turn::Alone(self.lane.clone().write_owned().await);
        Lane { committer: self.clone(), _turn: turn }
    }

    /// Waits for the right to write the end of a request in a transaction of its own: beside others
    /// if it is no more than that, where the storage writes beside others. Cancel safe.
    pub(crate) async fn lane_of_end(self: &Arc<Self>, writes: &Writes) -> Lane {
        if !self.has_two_tracks() || !writes.is_end() {
            return self.lane().await;
        }
        self.wait_for_acceptance(writes.outcome.as_ref().map(|row| row.seq)).await;
        let turn = Turn::Beside(self.ending.clone().read_owned().await);
        Lane { committer: self.clone(), _turn: turn }
    }
}

/// The right to write in a transaction that is not the committer's.
///
/// Alone: nobody else gives places in the owner's order, so requests become visible in that order;
/// nobody else commits, but for ends that stand beside. On a database with one writer it is held
/// from the begin of a transaction to its end.
///
/// Beside: an end of a request is written that nothing else is built on until it is told, and
/// what must stand behind ends is written before or after.
pub(crate) struct Lane {
    committer: Arc<Committer>,
    _turn: Turn,
}

enum Turn {
    Alone(#[expect(dead_code, reason = "held")] OwnedRwLockWriteGuard<()>),
    Beside(#[expect(dead_code, reason = "held")] OwnedRwLockReadGuard<()>),
}

impl Lane {
    /// The fence in force.
    pub(crate) fn fence(&self) -> Fence {
        self.committer.fence()
    }

    /// The next place in the owner's order.
    pub(crate) fn next_seq(&self) -> Seq {
        self.committer.seqs.next(self.committer.clock.wall())
    }

    /// The reminders that the intents speak of, as they stand.
    ///
    /// # Errors
    /// The storage did not answer.
    pub(crate) async fn reminders(
        &self,
        intents: &[ReminderIntent],
    ) -> Result<Reminders, StorageError> {
        self.committer.reminders(keys_of(intents.iter())).await
    }

    /// Tells what has become durable of reminders, before the request's own end is told.
    pub(crate) fn tell_reminded(&self, reminded: Reminded) {
        if !reminded.is_empty() {
            tell_reminded(reminded, self.committer.on_reminded());
        }
    }

    /// A handler's own transaction writes this next.
    pub(crate) fn writes_next(&self, batch: &Batch) {
        self.committer.saw_ends(batch);
    }

    /// Raises the fence above this one, so that a transaction under it whose outcome is unknown can
    /// no longer commit. Cancel safe: the fence may be raised all the same.
    ///
    /// # Errors
    /// Another incarnation has taken over, or the runner ends while the storage is away.
    pub(crate) async fn raise_fence(&self, above: Fence) -> Result<(), StorageError> {
        self.committer.raise(above).await
    }

    /// Whether the fence was raised above this one for another transaction.
    pub(crate) async fn is_raised(&self, above: Fence) -> bool {
        self.committer.is_raised(above).await
    }
}
