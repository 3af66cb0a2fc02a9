//! The record of one entity: its instance while it is in memory, its mailbox while somebody waits.

use std::any::Any;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use super::activity::Activity;
use super::context::{Context, Nesting};
use super::contract::Serves;
use super::endpoint::Endpoint;
use super::inner::{Freed, Handed, Inner, Phase, Step};
use super::job::{Delivered, Job};
use super::kind::{Kind, Present};
use super::mailbox::{Running, Spill};
use super::options::Access;
use super::shared::Shared;
use super::trace::outside;
use super::turn::Turn;
pub(super) use super::turn::{Back, discard};
use crate::commit::Lineage;
use crate::error::ClusterError;
use crate::id::{Address, EntityId, Seq};
use crate::time::Moment;

/// How many waiting requests whoever releases an entity runs in its own poll, before a task goes
/// on.
const PUMP_INLINE: usize = 16;
/// How many a task runs before it lets others run.
const PUMP_BURST: usize = 64;

/// The record of one entity. Costs a few words while the entity is idle, and no task.
pub(crate) struct Slot<T: Serves> {
    id: EntityId,
    pub(super) kind: Arc<Kind<T>>,
    pub(super) activity: Activity,
    /// Raised when a commit of the instance fails: whatever was built on it is void.
    generation: AtomicU32,
    pub(super) inner: Mutex<Inner<T>>,
}

impl<T: Serves> Slot<T> {
    pub(super) fn new(id: EntityId, kind: Arc<Kind<T>>) -> Arc<Self> {
        Arc::new(Slot {
            id,
            kind,
            activity: Activity::default(),
            generation: AtomicU32::new(0),
            inner: Mutex::new(Inner {
                entity: None,
                phase: Phase::Vacant,
                running: Running::default(),
                pins: 0,
                pumping: false,
                waits_for_place: false,
                promised: false,
                clearing: false,
                clears: 0,
                outstanding: 0,
                kept: None,
                mailbox: None,
                ledger: None,
            }),
        })
    }

    pub(crate) fn id(&self) -> &EntityId {
        &self.id
    }

    pub(crate) fn address(&self) -> Address {
        self.kind.address(&self.id)
    }

    /// How a call of `parent`'s handler, if it is one's, fits into the chain of those that wait.
    pub(super) fn nesting(&self, parent: Option<&Context>) -> Nesting {
        parent.map_or(Nesting::None, |parent| parent.nesting(&self.address()))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock()
    }

    /// Notes that a handler starts.
    #[inline]
    pub(super) fn touch(&self) {
        self.stay();
    }

    /// The idle time begins anew.
    #[inline]
    pub(super) fn stay(&self) {
        let Kind { shared, limits, .. } = &*self.kind;
        let now = shared.deadlines.now_for(limits.idle, &shared.clock);
        self.activity.note(now);
    }

    /// A turn on the entity, if it is in memory, free for such a handler or so in a moment, and
    /// nobody waits.
    #[inline]
    pub(super) fn try_enter(self: &Arc<Self>, access: Access, plain: bool) -> Option<Turn<T>> {
        self.activity.wait_for_brief();
        let mut inner = self.lock();
        let free = inner.phase == Phase::Ready
            && inner.mailbox.is_none()
            && inner.running.admits(access, self.kind.limits.concurrency)
            && inner.may_run_ahead(&self.kind.shared)
            && inner.clears == 0
            && !inner.must_wait_its_turn(&self.kind, None);
        free.then(|| {
            self.activity.start(access, plain);
            inner.turn(self, access)
        })
    }

    /// Puts a volatile request into the mailbox.
    ///
    /// # Errors
    /// `MailboxFull`; the request is dropped.
    pub(super) fn enqueue(
        self: &Arc<Self>,
        job: Box<dyn Job<T>>,
        start: Start,
    ) -> Result<(), ClusterError> {
        let limit = self.kind.limits.mailbox;
        let (enqueued, gone) = self.lock().enqueue(job, limit);
        drop(gone);
        if enqueued {
            self.start_waiting(start);
            return Ok(());
        }
        self.kind.metrics.mailbox_full.increment(1);
        Err(ClusterError::MailboxFull { address: self.address(), limit })
    }

    /// Puts an accepted request into the mailbox, in the owner's order; each once, from whatever
    /// side it comes.
    pub(super) fn deliver(
        self: &Arc<Self>,
        seq: Seq,
        make: impl FnOnce() -> Box<dyn Job<T>>,
    ) -> Delivered {
        // Taken before anything is queued: no more is in memory than there are places for.
        let has_place = self.is_vacant();
        if has_place && !self.has_taken_place() {
            return Delivered::NoRoom;
        }
        let (delivered, loads) = {
            let mut inner = self.lock();
            let delivered = self.put(&mut inner, seq, make);
            let vacant = inner.phase == Phase::Vacant && inner.running.is_idle();
            let loads = has_place && delivered == Delivered::Queued && vacant;
            if loads {
                inner.phase = Phase::Changing;
            }
            (delivered, loads)
        };
        if loads {
            self.load_in_place();
        } else {
            if has_place {
                self.kind.shared.residents.leave();
            }
            if delivered == Delivered::Queued {
                self.start_waiting(Start::Task);
            }
        }
        delivered
    }

    fn put(
        &self,
        inner: &mut Inner<T>,
        seq: Seq,
        make: impl FnOnce() -> Box<dyn Job<T>>,
    ) -> Delivered {
        let ledger = inner.ledger.get_or_insert_default();
        // What has ended since it was loaded may be forgotten here, but not there.
        if seq <= ledger.delivered || self.kind.shared.intake.has_ended(seq) {
            return Delivered::Twice;
        }
        if self.kind.limits.strict_order && inner.is_here(seq) {
            return Delivered::Twice;
        }
        let ledger = inner.ledger.get_or_insert_default();
        let mailbox = inner.mailbox.get_or_insert_default();
        if let Some(spill) = &mut mailbox.spill {
            spill.missed = true;
            return Delivered::Spilled;
        }
        if mailbox.len() >= self.kind.limits.mailbox {
            mailbox.spill = Some(Spill { missed: true, ..Spill::default() });
            return Delivered::Spilled;
        }
        ledger.delivered = seq;
        if self.kind.limits.strict_order && !self.kind.shared.intake.is_known() {
            mailbox.push_before_calls(make());
        } else {
            mailbox.push(make());
        }
        Delivered::Queued
    }

    /// Puts a persisted request back that must run again.
    pub(super) fn requeue(self: &Arc<Self>, job: Box<dyn Job<T>>) {
        let stored = job.seq().zip(job.request());
        {
            let mut inner = self.lock();
            if let Some((seq, _)) = stored {
                inner.is_back(seq);
            }
            let strict = self.kind.limits.strict_order;
            inner.mailbox.get_or_insert_default().push_again(job, strict);
        }
        self.start_waiting(Start::Task);
        stored.into_iter().for_each(|(seq, request)| self.nest(seq, request));
    }

    /// Starts waiting requests, unless somebody is at it.
    pub(super) fn start_waiting(self: &Arc<Self>, start: Start) {
        let closed = {
            let mut inner = self.lock();
            // Looked at under the lock, and first: a task that was starting requests may have been
            // dropped at it.
            let closed = self.kind.shared.gate.is_closed();
            if !closed {
                if inner.pumping || inner.mailbox.is_none() && !inner.is_missed() {
                    return;
                }
                inner.pumping = true;
            }
            closed
        };
        if closed {
            // What came after the end had emptied the mailbox is told so here.
            self.forget();
            return;
        }
        match start {
            Start::Inline => self.pump(),
            Start::Task => self.pump_in_task(),
        }
    }

    /// Starts waiting requests in this very poll, then leaves the rest to a task. They are not of
    /// the caller whose poll it is.
    fn pump(self: &Arc<Self>) {
        let _pumping = Pumping(self);
        let some_wait = || (0..PUMP_INLINE).all(|_| self.pump_one());
        if outside(some_wait) {
            self.pump_in_task();
        }
    }

    fn pump_in_task(self: &Arc<Self>) {
        let slot = self.clone();
        self.kind.shared.tasks.spawn(async move {
            let _pumping = Pumping(&slot);
            loop {
                for _ in 0..PUMP_BURST {
                    if !slot.pump_one() {
                        return;
                    }
                }
                tokio::task::yield_now().await;
            }
        });
    }

    /// Starts the next waiting request; false when nothing can start now. The caller has `pumping`.
    fn pump_one(self: &Arc<Self>) -> bool {
        let (step, refill, idle) = {
            let mut inner = self.lock();
            let step = inner.next_step(self);
            let idle = matches!(step, Step::Rest) && inner.is_idle();
            let limit = self.kind.limits.mailbox;
            let mailbox = inner.mailbox.as_mut().filter(|mailbox| mailbox.wants_refill(limit));
            let refill = mailbox.and_then(|mailbox| mailbox.spill.as_mut());
            (step, refill.map(|spill| spill.loading = true).is_some(), idle)
        };
        if idle {
            // What waited turned out to be nothing.
            self.kind.shared.residents.say_room();
        }
        if refill {
            self.refill();
        }
        match step {
            Step::Run(job, turn) => {
                self.touch();
                job.run(turn);
                true
            }
            Step::Displace(job, why) => {
                job.displace(why);
                true
            }
            Step::Activate => {
                self.activate();
                false
            }
            Step::Rest => false,
        }
    }

    /// A handler has ended or was dropped: the entity is free for the next one.
    pub(super) fn release(self: &Arc<Self>, access: Access, back: Back<T>) {
        let handed = self.lock().hand_back(self, access, back);
        match handed {
            Handed::Back(freed) => self.freed(freed),
            Handed::Void(entity) => {
                // Before the slot is free: the next instance begins after this one has ended.
                discard(entity);
                self.release(access, Back::Nothing);
            }
        }
    }

    /// Goes on with what waited for a handler's end.
    pub(super) fn freed(self: &Arc<Self>, freed: Freed) {
        if freed.left {
            self.kind.shared.residents.leave();
        } else if freed.idle {
            self.kind.shared.residents.say_room();
        }
        match freed.pump {
            // Others' handlers do not run while this one's panic unwinds.
            true if std::thread::panicking() => self.pump_in_task(),
            true => self.pump(),
            false => {}
        }
    }

    /// A commit of the entity has become durable; with it the given request has ended.
    pub(super) fn settled(self: &Arc<Self>, request: Option<Seq>) {
        if let Some(request) = request {
            // Before the entity can be forgotten: a page loaded before may still hold the request.
            self.kind.shared.request_ended(request);
        }
        let (quiet, held_back) = {
            let mut inner = self.lock();
            if let Some(request) = request {
                inner.is_back(request);
            }
            let ledger = inner.ledger.as_mut().expect("a commit was counted in it");
            ledger.uncommitted -= 1;
            (ledger.uncommitted == 0, mem::take(&mut ledger.held_back))
        };
        if quiet {
            self.kind.shared.residents.say_room();
        }
        if quiet || held_back || self.kind.limits.strict_order {
            self.start_waiting(Start::Task);
        }
    }

    /// A commit of the entity has failed: the instance and everything built upon it are void, the
    /// storage knows what holds.
    pub(super) fn commit_failed(self: &Arc<Self>, generation: u32) {
        let mut void = None;
        {
            let mut inner = self.lock();
            let ledger = inner.ledger.as_mut().expect("a commit was counted in it");
            ledger.uncommitted -= 1;
            if self.generation() == generation {
                self.generation.fetch_add(1, Ordering::SeqCst);
                ledger.known = false;
                ledger.snapshot = None;
                if inner.phase == Phase::Ready && !inner.running.exclusive {
                    void = inner.entity.take();
                    inner.phase = Phase::Changing;
                }
            }
        }
        if let Some(entity) = void {
            discard(entity);
            self.lock().phase = Phase::Vacant;
            self.kind.shared.residents.leave();
        }
        self.kind.shared.residents.say_room();
        self.start_waiting(Start::Task);
    }

    /// Whether commits of the entity are under way.
    pub(super) fn is_unconfirmed(&self) -> bool {
        self.lock().ledger.as_ref().is_some_and(|ledger| ledger.uncommitted > 0)
    }

    /// Whether the entity was idle for long enough to leave memory; a quick look without the lock.
    pub(super) fn is_due(&self, now: Moment, idle: Duration) -> bool {
        self.activity.is_due(now, idle)
    }

    pub(super) fn is_vacant(&self) -> bool {
        let inner = self.lock();
        inner.phase == Phase::Vacant && inner.mailbox.is_none() && inner.running.is_idle()
    }

    pub(super) fn count_into(&self, present: &mut Present) {
        let inner = self.lock();
        present.resident += usize::from(inner.phase == Phase::Ready);
        present.waiting += inner.mailbox.as_ref().map_or(0, |mailbox| mailbox.len());
    }

    /// Whether nothing need be remembered of the entity: not even, where order is strict, that a
    /// held request has the others wait.
    pub(super) fn is_empty(&self) -> bool {
        let inner = self.lock();
        inner.phase == Phase::Vacant
            && inner.mailbox.is_none()
            && inner.kept.is_none()
            && inner.outstanding == 0
            && inner.running.is_idle()
            && inner.ledger.as_ref().is_none_or(|ledger| ledger.out.is_empty())
    }

    /// Whether a handler runs or a stream is open.
    pub(super) fn is_running(&self) -> bool {
        let inner = self.lock();
        !inner.running.is_idle() || inner.pins > 0
    }

    /// Whether the entity may leave memory for the sake of others.
    pub(super) fn may_leave(&self) -> bool {
        let inner = self.lock();
        inner.is_idle() && inner.kept.is_none()
    }

    /// Forgets everything, so that entities and runner can be dropped.
    pub(super) fn forget(&self) {
        let (entity, mailbox, left, kept) = {
            let mut inner = self.lock();
            let left = inner.vacate();
            (inner.entity.take(), inner.mailbox.take(), left, inner.kept.take())
        };
        drop(kept);
        for job in mailbox.into_iter().flat_map(|mut mailbox| mailbox.take_all()) {
            job.displace(ClusterError::ShuttingDown);
        }
        entity.into_iter().for_each(discard);
        if left {
            self.kind.shared.residents.leave();
        }
    }
}

/// Held by who starts waiting requests: should a run panic outside of its handler, others go on.
struct Pumping<'a, T: Serves>(&'a Arc<Slot<T>>);

impl<T: Serves> Drop for Pumping<'_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().pumping = false;
            self.0.start_waiting(Start::Task);
        }
    }
}

/// Who starts waiting requests.
#[derive(Debug, Clone, Copy)]
pub(super) enum Start {
    /// Whoever asks, in its own poll.
    Inline,
    /// A task.
    Task,
}

impl<T: Serves> Lineage for Slot<T> {
    fn generation(&self) -> u32 {
        self.generation.load(Ordering::SeqCst)
    }

    fn has_out(&self, request: Seq) -> bool {
        self.lock().is_out(request)
    }
}

impl<T: Serves> Endpoint for Slot<T> {
    fn start(self: Arc<Self>, method: usize, exchange: &mut dyn Any) {
        (self.kind.table[method].start)(self, exchange);
    }

    fn address(&self) -> Address {
        Slot::address(self)
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.kind.shared
    }

    fn is_kept_alive(&self) -> bool {
        self.is_kept()
    }

    fn place_is_free(self: Arc<Self>) {
        self.try_again();
    }

    fn pin(&self) {
        self.pinned();
    }

    fn unpin(&self) {
        self.unpinned();
    }

    fn count_panic(&self) {
        self.kind.metrics.panics.increment(1);
    }
}
