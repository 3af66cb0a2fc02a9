//! A handler's hold on its entity. Handed back by a drop guard, so never lost with the handler's
//! future.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;

use super::contract::Serves;
use super::failure::encode_error;
use super::inner::Handed;
use super::kind::Kind;
use super::options::Access;
use super::origin::{Base, Origin};
use super::slot::Slot;
use crate::commit::{CommitFailure, Completion, Lineage, Unit, Writes};
use crate::error::ClusterError;
use crate::storage::StateWrite;

/// The time in which a handler has its entity: alone, or beside other readers.
///
/// Invariant: until the turn ends the slot counts it as running. Dropped without an end, as a
/// cancelled or panicking handler drops it, a durable entity's instance is given up, because it may
/// be half-changed; the next request rebuilds it from the last commit.
pub(crate) struct Turn<T: Serves> {
    pub(super) slot: Arc<Slot<T>>,
    /// `Some` until the turn ends.
    entity: Option<Arc<T>>,
    access: Access,
    generation: u32,
    /// Commits of the entity were under way when the turn began.
    unconfirmed: bool,
    /// The state could not be rolled back in place.
    spoiled: bool,
}

impl<T: Serves> Turn<T> {
    #[inline]
    pub(super) fn new(
        slot: Arc<Slot<T>>,
        entity: Arc<T>,
        access: Access,
        generation: u32,
        unconfirmed: bool,
    ) -> Self {
        Turn { slot, entity: Some(entity), access, generation, unconfirmed, spoiled: false }
    }

    /// The entity; an exclusive turn is its only owner.
    #[inline]
    pub(super) fn entity(&mut self) -> &mut Arc<T> {
        self.entity.as_mut().expect("there until the turn ends")
    }

    /// What the run is built on.
    pub(super) fn base(&self) -> Base {
        self.unconfirmed.then(|| self.line())
    }

    fn line(&self) -> (Arc<dyn Lineage>, u32) {
        (self.slot.clone(), self.generation)
    }

    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    fn changes_state(&self) -> bool {
        self.access == Access::Exclusive && Kind::<T>::is_durable()
    }

    /// Whether nothing of a handler holds that ends with an error: it has a commit of its own.
    pub(super) fn rolls_back(&self, origin: &Origin) -> bool {
        self.changes_state() || matches!(origin, Origin::Persisted(_))
    }

    /// The change that the handler made to the state, to be written.
    ///
    /// # Errors
    /// The state exceeds its limit or cannot be encoded; it must be rolled back.
    pub(super) fn capture(&mut self) -> Result<Option<StateWrite>, ClusterError> {
        if !self.changes_state() {
            return Ok(None);
        }
        let slot = &self.slot;
        let kind = &slot.kind;
        let entity = self.entity.as_ref().expect("there until the turn ends");
        let schema = kind.schemas.state.as_ref().expect("traced when it was registered");
        let limit = kind.shared.config.payload_bytes_max;
        let encoded = entity.encode_state(schema, limit).map_err(|error| {
            encode_error(&format!("the state of {}", slot.address()), "payload_bytes_max", error)
        })?;
        let payload = encoded.expect("a durable entity has a state");
        let from = {
            let inner = slot.lock();
            let ledger = inner.ledger.as_ref().expect("made when the entity was activated");
            if ledger.snapshot.as_ref() == Some(&payload) {
                return Ok(None);
            }
            ledger.version
        };
        let key = kind.state_key(slot.id());
        let epoch = kind.shards.epoch(key.shard);
        Ok(Some(StateWrite { key, epoch, from, to: from.next(), payload }))
    }

    /// Undoes what the handler did to the state: in place where that can be told to be complete.
    pub(super) fn roll_back(&mut self) {
        if !self.changes_state() {
            return;
        }
        let kind = self.slot.kind.clone();
        let snapshot = {
            let inner = self.slot.lock();
            inner.ledger.as_ref().and_then(|ledger| ledger.snapshot.clone())
        };
        let schema = kind.schemas.state.as_ref().expect("traced when it was registered");
        let limit = kind.shared.config.payload_bytes_max;
        let entity = self.entity.as_mut().and_then(Arc::get_mut).expect("the turn is exclusive");
        let now = entity.encode_state(schema, limit).ok().flatten();
        let unchanged = now.is_some() && now == snapshot;
        if unchanged {
            return;
        }
        // The old state is dropped, and its own `Drop` may panic.
        let replace = |snapshot: Bytes| {
            catch_unwind(AssertUnwindSafe(|| entity.decode_state(&snapshot, schema)))
        };
        match snapshot.map(replace) {
            Some(Ok(Ok(()))) => {}
            // Never stored, or not at hand: the next request makes a new instance.
            _ => self.spoiled = true,
        }
    }

    /// Hands the writes of this turn to the committer, in the entity's order, counts them, and ends
    /// the turn: all in one step, so that whoever hears of the commit finds the entity free. When
    /// the instance has been given up meanwhile, the completion is told so at once.
    pub(super) fn commit(mut self, writes: Writes, complete: Completion) {
        let (slot, access) = (self.slot.clone(), self.access);
        let back = self.take_back(self.spoiled).expect("there until the turn ends");
        let mut inner = slot.lock();
        let current = slot.generation() == self.generation;
        if !writes.is_empty() {
            let ledger = inner.ledger.get_or_insert_default();
            ledger.uncommitted += 1;
            if let (Some(state), true) = (&writes.state, current) {
                ledger.version = state.to;
                ledger.snapshot = Some(state.payload.clone());
            }
        }
        let refused = if current {
            // Under the lock: two handlers of one entity hand over in the order of their versions.
            let unit = Unit::of(slot.clone(), self.generation, writes, complete);
            let refused = slot.kind.shared.committer.offer(unit);
            refused.map(|unit| (unit.complete, CommitFailure::Stopped))
        } else {
            Some((complete, CommitFailure::Superseded))
        };
        let handed = inner.hand_back(&slot, access, back);
        drop(inner);
        if let Some((complete, failure)) = refused {
            complete(Err(failure));
        }
        match handed {
            Handed::Back(freed) => slot.freed(freed),
            Handed::Void(entity) => slot.release(access, Back::Discard(entity)),
        }
    }

    /// Records a state that the handler's own transaction has written.
    pub(super) fn committed(&mut self, write: StateWrite) {
        let mut inner = self.slot.lock();
        let ledger = inner.ledger.get_or_insert_default();
        ledger.version = write.to;
        ledger.snapshot = Some(write.payload);
    }

    /// Whether what this handler could have read is not durable: its commit is still under way, or
    /// has failed meanwhile.
    pub(super) fn must_wait(&self) -> bool {
        Kind::<T>::is_durable()
            && (self.slot.is_unconfirmed()
                || self.unconfirmed && self.slot.generation() != self.generation)
    }

    /// Ends the turn and hands the entity back.
    #[inline]
    pub(super) fn end(mut self) {
        let spoiled = self.spoiled;
        self.hand_back(spoiled);
    }

    /// Ends the turn and gives the instance up.
    pub(super) fn give_up(mut self) {
        self.hand_back(true);
    }

    #[inline]
    fn hand_back(&mut self, give_up: bool) {
        if let Some(back) = self.take_back(give_up) {
            self.slot.release(self.access, back);
        }
    }

    /// What the slot gets back; `None` when the turn has ended before.
    #[inline]
    fn take_back(&mut self, give_up: bool) -> Option<Back<T>> {
        let entity = self.entity.take()?;
        Some(match self.access {
            Access::Shared => {
                // Before the slot counts one reader less, so that the next writer is the only
                // owner. It may be the last owner itself, when a commit has failed meanwhile.
                discard(entity);
                Back::Shared
            }
            Access::Exclusive if give_up => Back::Discard(entity),
            Access::Exclusive => Back::Keep(entity, self.generation),
        })
    }
}

impl<T: Serves> Drop for Turn<T> {
    fn drop(&mut self) {
        if self.entity.is_some() {
            self.hand_back(std::thread::panicking() || Kind::<T>::is_durable());
        }
    }
}

/// What a handler hands back.
pub(super) enum Back<T> {
    /// A reader's clone was dropped before.
    Shared,
    /// The instance, to be used on unless it has left this generation.
    Keep(Arc<T>, u32),
    /// The instance may be half-changed: the next request makes a new one.
    Discard(Arc<T>),
    /// The instance was discarded.
    Nothing,
}

/// Drops an instance. Its own `Drop` may panic: that must not harm the record.
pub(super) fn discard<T>(entity: T) {
    if catch_unwind(AssertUnwindSafe(|| drop(entity))).is_err() {
        tracing::error!(
            entity = std::any::type_name::<T>(),
            "an entity panicked while it was dropped"
        );
    }
}
