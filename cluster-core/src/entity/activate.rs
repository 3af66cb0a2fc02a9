//! Bringing entities into memory and taking them out.

use std::any::Any;
use std::future::poll_fn;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use parking_lot::MutexGuard;
use tracing::Instrument;

use super::context::Context;
use super::contract::Serves;
use super::failure::decode_error;
use super::inner::{Inner, Phase};
use super::kind::Kind;
use super::options::Access;
use super::shared::Shared;
use super::slot::{Slot, Start, discard};
use super::trace::{life_span, outside};
use super::turn::Turn;
use crate::commit::Lineage;
use crate::error::{ClusterError, Source, panic_text, text};
use crate::id::{Seq, StateVersion};
use crate::storage::{BoxFuture, StateRow};
use crate::time::Moment;

/// What a failed factory or hook said.
#[derive(Debug, thiserror::Error)]
#[error("the entity could not be made: {0}")]
struct Unmade(String);

/// The stored state is none that this binary can read.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Unreadable(ClusterError);

/// What came of looking for an idle entity to take out of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Evicted {
    /// One has left.
    Left,
    /// One is on its way out: its hook runs.
    Leaving,
    /// None is idle.
    None,
}

impl Shared {
    /// Takes one idle entity of any type out of memory.
    pub(super) fn evict_one(&self) -> Evicted {
        let kinds = self.all_kinds();
        let mut tried = kinds.iter().map(|kind| kind.evict_one());
        tried.find(|evicted| *evicted != Evicted::None).unwrap_or(Evicted::None)
    }
}

/// Whether there is a place in memory for one more entity.
enum Place {
    Taken,
    /// Not yet: an idle entity is on its way out.
    Soon,
    None,
}

impl<T: Serves> Slot<T> {
    /// Whether an entity can be made in its first caller's poll: nothing is to be loaded or
    /// awaited.
    const MADE_AT_ONCE: bool = !Kind::<T>::is_durable() && !T::ACTIVATES;

    /// Takes a place in memory for one more entity, if need be from an idle one.
    fn take_place(&self) -> Place {
        while !self.kind.shared.residents.enter() {
            match self.kind.shared.evict_one() {
                // Somebody else may take its place first.
                Evicted::Left => {}
                Evicted::Leaving => return Place::Soon,
                Evicted::None => return Place::None,
            }
        }
        Place::Taken
    }

    /// Takes a place in memory, if one can be had at once.
    pub(super) fn has_taken_place(&self) -> bool {
        matches!(self.take_place(), Place::Taken)
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
            let free = free && inner.clears == 0;
            if !free {
                return None;
            }
            inner.phase = Phase::Changing;
        }
        match self.take_place() {
            Place::Taken => {}
            Place::Soon => {
                self.wait_for_place();
                return None;
            }
            Place::None => {
                // The mailbox's way reports it.
                self.lock().phase = Phase::Vacant;
                return None;
            }
        }
        match self.make() {
            Ok(entity) => {
                let Some(mut inner) = self.install(Arc::new(entity), self.generation()) else {
                    self.kind.shared.residents.leave();
                    return None;
                };
                Some(inner.turn(self, access))
            }
            Err(error) => {
                self.report(&*error);
                self.load_later(1, Unfinished(Some(self.clone())));
                None
            }
        }
    }

    /// Runs the factory.
    fn make(&self) -> Result<T, Source> {
        self.kind.metrics.activations.increment(1);
        let unmade =
            |panic: Box<dyn Any + Send>| -> Source { Arc::new(Unmade(panic_text(&*panic))) };
        let make =
            || outside(|| life_span(self, "make").in_scope(|| (self.kind.factory)(self.id())));
        catch_unwind(AssertUnwindSafe(make)).map_err(unmade)?
    }

    fn report(&self, error: &(dyn std::error::Error + Send + Sync)) {
        let (entity, error) = (self.address(), text(error));
        tracing::warn!(%entity, error, "an entity could not be brought into memory");
    }

    /// Brings the entity into memory; its phase is `Changing`. Requests wait in the mailbox
    /// meanwhile.
    pub(super) fn activate(self: &Arc<Self>) {
        match self.take_place() {
            Place::Taken => self.lock().promised = false,
            Place::Soon => return self.wait_for_place(),
            // It was told too early, or somebody else was faster.
            Place::None if self.lock().promised => return self.wait_for_place(),
            Place::None => return self.no_place(),
        }
        if !Self::MADE_AT_ONCE {
            return self.load_in_place();
        }
        match self.make() {
            Ok(entity) => {
                if self.install(Arc::new(entity), self.generation()).is_none() {
                    return self.kind.shared.residents.leave();
                }
                self.kind.shared.residents.say_changed();
                self.has_come();
                self.start_waiting(Start::Inline);
            }
            Err(error) => {
                self.report(&*error);
                self.has_come();
                self.load_later(1, Unfinished(Some(self.clone())));
            }
        }
    }

    /// Loads the entity; its phase is `Changing`, its place is taken.
    pub(super) fn load_in_place(self: &Arc<Self>) {
        self.load_in_task(0, Unfinished(Some(self.clone())));
    }

    /// Loads the entity, after so many failures. Requests that wait stay in order, and none is
    /// lost.
    fn load_in_task(self: &Arc<Self>, failures: u32, unfinished: Unfinished<T>) {
        let slot = self.clone();
        self.kind.shared.tasks.spawn(async move {
            let generation = slot.generation();
            match caught(slot.load()).await {
                Ok(entity) => {
                    if slot.install(Arc::new(entity), generation).is_none() {
                        // Built upon a commit that failed; unless the runner has ended.
                        if slot.lock().phase == Phase::Changing {
                            slot.load_in_task(failures, unfinished);
                        }
                        return;
                    }
                    unfinished.done();
                    slot.kind.shared.residents.say_changed();
                    slot.has_come();
                    slot.start_waiting(Start::Inline);
                }
                Err(error) => {
                    slot.report(&*error);
                    slot.has_come();
                    match error.downcast_ref::<Unreadable>() {
                        Some(Unreadable(why)) => slot.refuse_waiting(why, unfinished),
                        None => slot.load_later(failures + 1, unfinished),
                    }
                }
            }
        });
    }

    /// The stored state cannot be read by this binary, now or later: whoever waits is told so.
    /// Persisted requests are held for a binary that can, those too that are in the storage only.
    fn refuse_waiting(self: &Arc<Self>, why: &ClusterError, unfinished: Unfinished<T>) {
        let waiting = {
            let mut inner = self.lock();
            let waiting = inner.mailbox.as_mut().map(|mailbox| mailbox.take_all());
            inner.mailbox.take_if(|mailbox| mailbox.is_done());
            waiting
        };
        drop(unfinished);
        for job in waiting.into_iter().flatten() {
            job.hold(self, why);
        }
        // Not where nobody waits: an entity kept alive would be tried again, and again.
        if self.lock().mailbox.is_some() {
            self.start_waiting(Start::Task);
        }
    }

    /// Loads the entity after the pause that so many failures ask for, if somebody still waits.
    fn load_later(self: &Arc<Self>, failures: u32, unfinished: Unfinished<T>) {
        let shared = &self.kind.shared;
        let slot = self.clone();
        shared.alarms.arm(&shared.clock, shared.config.backoff(failures), move || {
            if slot.is_to_be_cleared() || slot.drop_unwanted() {
                drop(unfinished);
                slot.start_waiting(Start::Task);
            } else {
                slot.load_in_task(failures, unfinished);
            }
        });
    }

    /// Empties the mailbox if all callers of its requests are gone; says whether they are.
    fn drop_unwanted(&self) -> bool {
        let unwanted = {
            let mut inner = self.lock();
            let wanted = inner.mailbox.as_ref().is_some_and(|mailbox| {
                mailbox.spill.is_some() || mailbox.any(|job| !job.is_gone())
            });
            if wanted || inner.kept.is_some() {
                return false;
            }
            inner.mailbox.take()
        };
        drop(unwanted);
        true
    }

    /// Puts a new instance into its place; not where it was built upon a commit that has failed
    /// meanwhile, or where the runner has ended.
    fn install(&self, entity: Arc<T>, generation: u32) -> Option<MutexGuard<'_, Inner<T>>> {
        let mut inner = self.lock();
        let void = Kind::<T>::is_durable() && generation != self.generation();
        if inner.phase == Phase::Changing && !void {
            inner.entity = Some(entity);
            inner.phase = Phase::Ready;
            return Some(inner);
        }
        drop(inner);
        discard(entity);
        None
    }

    /// Makes an instance of the last state and runs its `#[activate]` hook.
    async fn load(self: &Arc<Self>) -> Result<T, Source> {
        let row = if Kind::<T>::is_durable() { self.last_state().await? } else { None };
        let mut entity = self.make()?;
        if let Some(row) = row {
            let schema = self.kind.schemas.state.as_ref().expect("traced when registered");
            entity.decode_state(&row.payload, schema).map_err(|error| -> Source {
                let what = format!("the state of {}", self.address());
                Arc::new(Unreadable(decode_error(what, error)))
            })?;
        }
        if T::ACTIVATES {
            let ctx = Context::of_hook(self, "activate");
            let span = life_span(self, "activate");
            run_hook(&ctx, entity.activate(&ctx)).instrument(span).await?;
            self.fulfil_hooks_wish(&ctx).await?;
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
        let loaded = self.kind.shared.states.load(key).await;
        let row = loaded.map_err(|error| -> Source { Arc::new(error) })?;
        let mut inner = self.lock();
        let ledger = inner.ledger.get_or_insert_default();
        ledger.known = true;
        ledger.version = row.as_ref().map_or(StateVersion::new(0), |row| row.version);
        ledger.snapshot = row.as_ref().map(|row| row.payload.clone());
        Ok(row)
    }

    /// No more entities fit into memory and none is idle: volatile requests are told so, persisted
    /// ones wait for a place.
    fn no_place(self: &Arc<Self>) {
        let (displaced, waits) = {
            let mut inner = self.lock();
            inner.phase = Phase::Vacant;
            let mailbox = inner.mailbox.as_mut();
            let displaced = mailbox
                .map(|mailbox| mailbox.take_if(|job| job.seq().is_none()))
                .unwrap_or_default();
            inner.mailbox.take_if(|mailbox| mailbox.is_done());
            let wanted = inner.mailbox.is_some() || inner.is_missed();
            let waits = wanted && !inner.waits_for_place;
            inner.waits_for_place |= waits;
            (displaced, waits)
        };
        let residents = &self.kind.shared.residents;
        // Nobody has left: those who wait for a place are not told.
        residents.say_changed();
        let (max, actual) = (residents.max(), residents.count() + 1);
        for job in displaced {
            job.displace(ClusterError::LimitExceeded {
                limit: "resident_entities_max",
                what: "the number of entities in memory".to_owned(),
                max,
                actual,
            });
        }
        if waits {
            self.queue_for_place();
        }
    }

    /// An idle entity is on its way out: until there is a place everything waits; the phase stays
    /// `Changing`.
    fn wait_for_place(self: &Arc<Self>) {
        let waits = {
            let mut inner = self.lock();
            inner.promised = true;
            !mem::replace(&mut inner.waits_for_place, true)
        };
        if waits {
            self.queue_for_place();
        }
    }

    pub(super) fn queue_for_place(self: &Arc<Self>) {
        let shared = &self.kind.shared;
        shared.residents.wait(self.clone());
        // One that became free before this slot stood in the queue was announced to nobody.
        if shared.residents.has_room() {
            shared.residents.say_room();
        } else {
            shared.evict_one();
        }
    }

    /// A place may be free.
    pub(super) fn try_again(self: &Arc<Self>) {
        {
            let mut inner = self.lock();
            let waits = mem::take(&mut inner.waits_for_place) && !inner.clearing;
            inner.promised &= inner.mailbox.is_some();
            if waits && inner.phase == Phase::Changing {
                inner.phase = Phase::Vacant;
            }
        }
        self.start_waiting(Start::Task);
    }

    /// Takes the entity out of memory if it has been idle for long enough.
    pub(super) fn passivate(self: &Arc<Self>, now: Moment, idle: Duration) {
        if self.is_due(now, idle) && !self.is_kept() {
            self.leave();
        }
    }

    /// Takes the entity out of memory if it is idle. The old instance is gone before a new one can
    /// be made: the phase stays `Changing` until then.
    pub(super) fn leave(self: &Arc<Self>) -> Evicted {
        let entity = {
            let mut inner = self.lock();
            if !inner.is_idle() {
                return Evicted::None;
            }
            inner.phase = Phase::Changing;
            inner.entity.take().expect("idle and in memory")
        };
        self.kind.metrics.passivations.increment(1);
        if !T::DEACTIVATES {
            outside(|| life_span(self, "drop").in_scope(|| discard(entity)));
            self.vacated();
            return Evicted::Left;
        }
        let slot = self.clone();
        self.kind.shared.tasks.spawn(async move {
            let unfinished = Unfinished(Some(slot.clone()));
            slot.take_down(entity).await;
            unfinished.done();
            slot.vacated();
        });
        Evicted::Leaving
    }

    /// Ends an instance that is idle, and its hook before it.
    pub(super) async fn take_down(self: &Arc<Self>, entity: Arc<T>) {
        if !T::DEACTIVATES {
            return outside(|| life_span(self, "drop").in_scope(|| discard(entity)));
        }
        let mut entity = Arc::into_inner(entity).expect("idle, so nobody reads it");
        let ctx = Context::of_hook(self, "deactivate");
        let span = life_span(self, "deactivate");
        let hook = run_hook(&ctx, entity.deactivate(&ctx)).instrument(span.clone());
        if let Err(error) = caught(hook).await {
            self.report(&*error);
        }
        span.in_scope(|| discard(entity));
    }

    fn vacated(self: &Arc<Self>) {
        {
            let mut inner = self.lock();
            inner.phase = Phase::Vacant;
            let needed = inner
                .ledger
                .as_ref()
                .is_some_and(|ledger| !ledger.out.is_empty() || ledger.cleared > Seq::default());
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

/// Puts a slot back to vacant, and gives its place back, when whatever was changing it is dropped.
struct Unfinished<T: Serves>(Option<Arc<Slot<T>>>);

impl<T: Serves> Unfinished<T> {
    fn done(mut self) {
        self.0 = None;
    }
}

impl<T: Serves> Drop for Unfinished<T> {
    fn drop(&mut self) {
        if let Some(slot) = self.0.take() {
            slot.lock().phase = Phase::Vacant;
            slot.kind.shared.residents.leave();
            if slot.kind.shared.gate.is_closed() {
                slot.forget();
            }
        }
    }
}

/// Awaits a hook as the current handler, so that calls that would wait for it are refused.
async fn run_hook(
    ctx: &Context,
    mut hook: BoxFuture<'_, Result<(), Source>>,
) -> Result<(), Source> {
    poll_fn(|cx| ctx.enter(|| hook.as_mut().poll(cx))).await
}

/// Awaits user code; its panic is an error.
async fn caught<R>(work: impl Future<Output = Result<R, Source>>) -> Result<R, Source> {
    let mut work = pin!(work);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
        Ok(polled) => polled,
        Err(panic) => Poll::Ready(Err(Arc::new(Unmade(panic_text(&*panic))))),
    })
    .await
}
