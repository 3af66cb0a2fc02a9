//! Bringing entities into memory and taking them out.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::context::Context;
use super::contract::Serves;
use super::failure::{decode_error, text};
use super::kind::Kind;
use super::options::Access;
use super::origin::panic_text;
use super::shared::Shared;
use super::slot::{Phase, Slot, Start};
use super::turn::Turn;
use crate::codec;
use crate::commit::Lineage;
use crate::error::{ClusterError, Source};
use crate::id::{Seq, StateVersion};
use crate::storage::StateRow;
use crate::time::Moment;

/// What a failed factory or hook said.
#[derive(Debug, thiserror::Error)]
#[error("the entity could not be made: {0}")]
struct Unmade(String);

impl Shared {
    /// Takes one idle entity of any type out of memory.
    pub(super) fn evict_one(&self) -> bool {
        self.all_kinds().iter().any(|kind| kind.evict_one())
    }
}

impl<T: Serves> Slot<T> {
    /// Whether an entity can be made in its first caller's poll: nothing is to be loaded or
    /// awaited.
    const MADE_AT_ONCE: bool = !Kind::<T>::is_durable() && !T::ACTIVATES;

    /// Takes a place in memory for one more entity, if need be from an idle one.
    pub(super) fn take_place(&self) -> bool {
        let residents = &self.kind.shared.residents;
        residents.enter() || (self.kind.shared.evict_one() && residents.enter())
    }

    /// A turn on a new instance, if one can be made at once and nobody waits.
    pub(super) fn try_make(self: &Arc<Self>, access: Access) -> Option<Turn<T>> {
        if !Self::MADE_AT_ONCE {
            return None;
        }
        {
            let mut inner = self.lock();
            let free =
                inner.phase == Phase::Vacant && inner.running.is_idle() && inner.mailbox.is_none();
            if !free {
                return None;
            }
            inner.phase = Phase::Changing;
        }
        let made = if self.take_place() { self.make_or_leave() } else { None };
        let mut inner = self.lock();
        match made {
            Some(entity) => {
                inner.entity = Some(entity);
                inner.phase = Phase::Ready;
                Some(inner.turn(self, access))
            }
            None => {
                // The mailbox's way reports or retries it.
                inner.phase = Phase::Vacant;
                None
            }
        }
    }

    fn make_or_leave(self: &Arc<Self>) -> Option<Arc<T>> {
        match self.make() {
            Ok(entity) => Some(Arc::new(entity)),
            Err(error) => {
                self.report(&*error);
                self.kind.shared.residents.leave();
                None
            }
        }
    }

    /// Runs the factory.
    fn make(&self) -> Result<T, Source> {
        self.kind.metrics.activations.increment(1);
        let unmade =
            |panic: Box<dyn Any + Send>| -> Source { Arc::new(Unmade(panic_text(&*panic))) };
        catch_unwind(AssertUnwindSafe(|| (self.kind.factory)(self.id()))).map_err(unmade)?
    }

    fn report(&self, error: &(dyn std::error::Error + Send + Sync)) {
        let error = text(error);
        tracing::warn!(entity = %self.address(), error, "an entity could not be brought into memory");
    }

    /// Brings the entity into memory, if there is room; its phase is `Changing`. Requests wait in
    /// the mailbox meanwhile.
    pub(super) fn activate(self: &Arc<Self>) {
        if !self.take_place() {
            self.no_place();
        } else if Self::MADE_AT_ONCE
            && let Ok(entity) = self.make()
        {
            self.install(Arc::new(entity), self.generation());
            self.start_waiting(Start::Inline);
        } else {
            self.bring_in_task();
        }
    }

    /// Brings the entity into memory in a task; its phase is `Changing`, its place is taken.
    pub(super) fn bring_in_task(self: &Arc<Self>) {
        let slot = self.clone();
        let abandoned = Abandoned(Some(slot.clone()));
        self.kind.shared.tasks.spawn(async move {
            slot.bring().await;
            abandoned.done();
            slot.start_waiting(Start::Inline);
        });
    }

    /// Puts the instance into the slot, unless a commit that it may be built upon has failed since.
    fn install(&self, entity: Arc<T>, generation: u32) -> bool {
        let mut inner = self.lock();
        let good = !Kind::<T>::is_durable() || self.generation() == generation;
        if good {
            inner.entity = Some(entity);
            inner.phase = Phase::Ready;
        }
        good
    }

    /// Tries until it succeeds: requests that wait stay in order, and none is lost.
    async fn bring(self: &Arc<Self>) {
        let config = &self.kind.shared.config;
        let mut failures = 0;
        loop {
            let generation = self.generation();
            match self.load().await {
                Ok(entity) => {
                    if self.install(Arc::new(entity), generation) {
                        return;
                    }
                }
                Err(error) => {
                    failures += 1;
                    self.report(&*error);
                    self.kind.shared.clock.sleep(config.backoff(failures)).await;
                }
            }
        }
    }

    /// Makes an instance of the last state and runs its `#[activate]` hook.
    async fn load(self: &Arc<Self>) -> Result<T, Source> {
        let row = if Kind::<T>::is_durable() { self.last_state().await? } else { None };
        let mut entity = self.make()?;
        if let Some(row) = row {
            let schema = self.kind.schemas.state.as_ref().expect("traced when registered");
            let state = codec::decode(&row.payload, schema).map_err(|error| -> Source {
                Arc::new(decode_error(format!("the state of {}", self.address()), error))
            })?;
            entity.set_state(state);
        }
        if T::ACTIVATES {
            let ctx = Context::of_hook(self, "activate");
            catch_panic(entity.activate(&ctx)).await?;
        }
        Ok(entity)
    }

    /// The last state: of the instance before, while its commits are under way, else the stored
    /// one.
    async fn last_state(self: &Arc<Self>) -> Result<Option<StateRow>, Source> {
        {
            let mut inner = self.lock();
            let ledger = inner.ledger.get_or_insert_default();
            if ledger.known && ledger.version == StateVersion::new(0) {
                return Ok(None);
            }
            if let (true, Some(payload)) = (ledger.known, ledger.snapshot.clone()) {
                return Ok(Some(StateRow { version: ledger.version, payload }));
            }
        }
        let key = self.kind.state_key(self.id());
        let loaded = self.kind.shared.storage.load_states(vec![key]).await;
        let row = loaded.map_err(|error| -> Source { Arc::new(error) })?.pop().flatten();
        let mut inner = self.lock();
        let ledger = inner.ledger.get_or_insert_default();
        ledger.known = true;
        ledger.version = row.as_ref().map_or(StateVersion::new(0), |row| row.version);
        ledger.snapshot = row.as_ref().map(|row| row.payload.clone());
        Ok(row)
    }

    /// No more entities fit into memory and none is idle: volatile requests are told so, persisted
    /// ones stay in the storage until there is room.
    fn no_place(self: &Arc<Self>) {
        let (jobs, spilled) = {
            let mut guard = self.lock();
            let inner = &mut *guard;
            inner.phase = Phase::Vacant;
            let Some(mut mailbox) = inner.mailbox.take() else { return };
            let jobs = mailbox.take_all();
            let ledger = inner.ledger.get_or_insert_default();
            ledger.parked.extend(jobs.iter().filter_map(|job| job.seq()));
            let first_spilled = Seq::new(ledger.delivered.as_u64().saturating_add(1));
            (jobs, mailbox.spill.is_some().then_some(first_spilled))
        };
        let shared = &self.kind.shared;
        if let Some(first) = spilled {
            shared.intake.fall_back(first);
        }
        let (max, actual) = (shared.residents.max(), shared.residents.count() + 1);
        for job in jobs {
            match job.seq() {
                Some(seq) => {
                    job.park(self);
                    shared.intake.fall_back(seq);
                }
                None => job.displace(ClusterError::LimitExceeded {
                    limit: "resident_entities_max",
                    what: "the number of entities in memory".to_owned(),
                    max,
                    actual,
                }),
            }
        }
    }

    /// Takes the entity out of memory if it has been idle for long enough.
    pub(super) fn passivate(self: &Arc<Self>, now: Moment, idle: Duration) {
        if self.is_due(now, idle) {
            self.leave_memory();
        }
    }

    /// Takes the entity out of memory if it is idle.
    pub(super) fn leave(self: &Arc<Self>) {
        self.leave_memory();
    }

    /// Takes the entity out of memory if it is idle. Says whether it left at once.
    pub(super) fn evict(self: &Arc<Self>) -> bool {
        self.leave_memory() && !T::DEACTIVATES
    }

    /// The old instance is gone before a new one can be made: the phase stays `Changing` until
    /// then.
    fn leave_memory(self: &Arc<Self>) -> bool {
        let entity = {
            let mut inner = self.lock();
            if !inner.is_idle() {
                return false;
            }
            inner.phase = Phase::Changing;
            inner.entity.take().expect("idle and in memory")
        };
        if !T::DEACTIVATES {
            drop(entity);
            self.vacated();
            return true;
        }
        let slot = self.clone();
        self.kind.shared.tasks.spawn(async move {
            let abandoned = Abandoned(Some(slot.clone()));
            let mut entity = Arc::into_inner(entity).expect("idle, so nobody reads it");
            let ctx = Context::of_hook(&slot, "deactivate");
            if let Err(error) = catch_panic(entity.deactivate(&ctx)).await {
                slot.report(&*error);
            }
            drop(entity);
            abandoned.done();
            slot.vacated();
        });
        true
    }

    fn vacated(self: &Arc<Self>) {
        {
            let mut inner = self.lock();
            inner.phase = Phase::Vacant;
            let needed = inner.ledger.as_ref().is_some_and(|ledger| ledger.out > 0);
            if inner.mailbox.is_none() && !needed {
                // What is stored is known to the storage; the record shrinks to its bones.
                inner.ledger = None;
            }
        }
        self.kind.shared.residents.leave();
        self.start_waiting(Start::Task);
    }

    /// The transaction's fate was bad or is unknown: the storage knows the state.
    pub(super) fn forget_state(&self) {
        if let Some(ledger) = &mut self.lock().ledger {
            ledger.known = false;
            ledger.snapshot = None;
        }
    }
}

/// Puts a slot back to vacant when the task that was changing it is dropped.
struct Abandoned<T: Serves>(Option<Arc<Slot<T>>>);

impl<T: Serves> Abandoned<T> {
    fn done(mut self) {
        self.0 = None;
    }
}

impl<T: Serves> Drop for Abandoned<T> {
    fn drop(&mut self) {
        if let Some(slot) = self.0.take() {
            slot.lock().phase = Phase::Vacant;
            slot.kind.shared.residents.leave();
        }
    }
}

/// Awaits a hook; its panic is an error.
async fn catch_panic(
    mut hook: crate::storage::BoxFuture<'_, Result<(), Source>>,
) -> Result<(), Source> {
    std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| hook.as_mut().poll(cx))) {
        Ok(polled) => polled,
        Err(panic) => std::task::Poll::Ready(Err(Arc::new(Unmade(panic_text(&*panic))))),
    })
    .await
}
