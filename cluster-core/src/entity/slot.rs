//! The record of one entity: its instance while it is in memory, its mailbox while somebody waits.

use std::any::Any;
use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};

use super::context::{Context, Nesting};
use super::contract::Serves;
use super::endpoint::Endpoint;
use super::job::{Delivered, Job};
use super::kind::Kind;
use super::mailbox::{Mailbox, Running, Spill};
use super::options::Access;
use super::shared::Shared;
use super::turn::Turn;
pub(super) use super::turn::{Back, discard};
use crate::commit::Lineage;
use crate::error::ClusterError;
use crate::id::{Address, EntityId, Seq, StateVersion};
use crate::time::Moment;

/// How many waiting requests whoever releases an entity runs in its own poll, before a task goes
/// on.
const PUMP_INLINE: usize = 16;
/// How many a task runs before it lets others run.
const PUMP_BURST: usize = 64;

/// How often a caller looks whether a plain handler has ended before it queues: about as long as
/// queueing takes.
const SPINS: usize = 64;

/// The record of one entity. Costs a few words while the entity is idle, and no task.
pub(crate) struct Slot<T: Serves> {
    id: EntityId,
    pub(super) kind: Arc<Kind<T>>,
    /// When a handler last started, or ended after it was suspended, in units of 2^20 ns; wraps.
    last_active: AtomicU32,
    /// Raised when a commit of the instance fails: whatever was built on it is void.
    generation: AtomicU32,
    /// A plain handler runs on it in its caller's poll.
    brief: AtomicBool,
    pub(super) inner: Mutex<Inner<T>>,
}

/// Guarded by the slot's lock; no user code runs under it.
pub(super) struct Inner<T: Serves> {
    /// The instance, unless an exclusive handler has it. Readers hold clones.
    pub(super) entity: Option<Arc<T>>,
    pub(super) phase: Phase,
    pub(super) running: Running,
    /// Somebody is starting waiting requests; whoever else frees the entity need not.
    pub(super) pumping: bool,
    /// It stands in the queue of those for whom there was no room in memory.
    pub(super) waits_for_place: bool,
    /// `None` while nobody waits.
    pub(super) mailbox: Option<Box<Mailbox<Box<dyn Job<T>>>>>,
    /// What is known of the entity's stored rows; `None` while there was no need.
    pub(super) ledger: Option<Box<Ledger>>,
}

/// Whether there is an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// None; the next request makes one.
    Vacant,
    /// One is being made, or taken down.
    Changing,
    /// There is one, in the slot or with its exclusive handler.
    Ready,
}

/// What the owner knows of an entity's rows without asking the storage.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Whether `version` (and `snapshot`) are known; otherwise the storage is asked.
    pub(super) known: bool,
    /// The version that the instance has: ahead of the stored one while commits are under way.
    pub(super) version: StateVersion,
    /// The encoded state of that version. Always there while `uncommitted` is not zero.
    pub(super) snapshot: Option<Bytes>,
    /// Commits under way.
    pub(super) uncommitted: u32,
    /// Requests up to here have been put into the mailbox.
    pub(super) delivered: Seq,
    /// How many of them have left it and have not ended: they run, are being committed, or are in
    /// back-off.
    pub(super) out: u32,
}

enum Step<T: Serves> {
    Run(Box<dyn Job<T>>, Turn<T>),
    Displace(Box<dyn Job<T>>),
    Activate,
    Rest,
}

impl<T: Serves> Slot<T> {
    pub(super) fn new(id: EntityId, kind: Arc<Kind<T>>) -> Arc<Self> {
        Arc::new(Slot {
            id,
            kind,
            last_active: AtomicU32::new(0),
            generation: AtomicU32::new(0),
            brief: AtomicBool::new(false),
            inner: Mutex::new(Inner {
                entity: None,
                phase: Phase::Vacant,
                running: Running::default(),
                pumping: false,
                waits_for_place: false,
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
        self.kind.metrics.calls.increment(1);
    }

    /// The idle time begins anew.
    #[inline]
    pub(super) fn stay(&self) {
        let Kind { shared, limits, .. } = &*self.kind;
        let now = shared.deadlines.now_for(limits.idle, &shared.clock);
        self.last_active.store(coarse(now), Ordering::Relaxed);
    }

    /// A turn on the entity, if it is in memory, free for such a handler, and nobody waits. While
    /// another thread is in a plain handler's turn, which seldom takes longer than to queue for it,
    /// this looks again for [`SPINS`] times.
    #[inline]
    pub(super) fn try_enter(self: &Arc<Self>, access: Access, plain: bool) -> Option<Turn<T>> {
        for _ in 0..SPINS {
            if !self.brief.load(Ordering::Relaxed) {
                break;
            }
            std::hint::spin_loop();
        }
        let mut inner = self.lock();
        let free = inner.phase == Phase::Ready
            && inner.mailbox.is_none()
            && inner.running.admits(access, self.kind.limits.concurrency);
        if !free {
            return None;
        }
        if plain && access == Access::Exclusive {
            self.brief.store(true, Ordering::Relaxed);
        }
        Some(inner.turn(self, access))
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
        let mailbox = inner.mailbox.get_or_insert_default();
        if let Some(spill) = &mut mailbox.spill {
            spill.missed = true;
            return Delivered::Spilled;
        }
        if mailbox.len() >= self.kind.limits.mailbox {
            mailbox.spill = Some(Spill { missed: true, loading: false });
            return Delivered::Spilled;
        }
        ledger.delivered = seq;
        mailbox.push(make());
        Delivered::Queued
    }

    /// Puts a persisted request back that must run again.
    pub(super) fn requeue(self: &Arc<Self>, job: Box<dyn Job<T>>) {
        {
            let mut inner = self.lock();
            inner.one_less_out();
            inner.mailbox.get_or_insert_default().push_again(job);
        }
        self.start_waiting(Start::Task);
    }

    /// Starts waiting requests, unless somebody is at it.
    pub(super) fn start_waiting(self: &Arc<Self>, start: Start) {
        let closed = {
            let mut inner = self.lock();
            // Looked at under the lock, and first: a task that was starting requests may have been
            // dropped at it.
            let closed = self.kind.shared.gate.is_closed();
            if !closed {
                if inner.pumping || inner.mailbox.is_none() {
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

    /// Starts waiting requests in this very poll, then leaves the rest to a task.
    fn pump(self: &Arc<Self>) {
        for _ in 0..PUMP_INLINE {
            if !self.pump_one() {
                return;
            }
        }
        self.pump_in_task();
    }

    fn pump_in_task(self: &Arc<Self>) {
        let slot = self.clone();
        self.kind.shared.tasks.spawn(async move {
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
            Step::Displace(job) => {
                job.displace(ClusterError::ShuttingDown);
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
        let kept = match back {
            Back::Shared => None,
            Back::Keep(entity, generation) => Some((entity, generation)),
            Back::Discard(entity) => {
                // Before the slot is free: the next instance begins after this one has ended.
                discard(entity);
                None
            }
        };
        let (pump, left, idle) = {
            let mut inner = self.lock();
            let left = match kept {
                None if access == Access::Shared => false,
                None => inner.vacate(),
                Some((entity, generation))
                    if inner.phase == Phase::Ready && generation == self.generation() =>
                {
                    inner.entity = Some(entity);
                    false
                }
                Some((entity, _)) => {
                    // A commit has failed this very moment, or the runner has ended.
                    drop(inner);
                    return self.release(access, Back::Discard(entity));
                }
            };
            inner.running.end(access);
            if access == Access::Exclusive {
                self.brief.store(false, Ordering::Relaxed);
            }
            let pump = inner.mailbox.is_some() && !mem::replace(&mut inner.pumping, true);
            (pump, left, inner.running.is_idle())
        };
        if left {
            self.kind.shared.residents.leave();
        } else if idle {
            self.kind.shared.residents.say_room();
        }
        match pump {
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
            self.kind.shared.intake.ended(request);
        }
        let quiet = {
            let mut inner = self.lock();
            if request.is_some() {
                inner.one_less_out();
            }
            let ledger = inner.ledger.as_mut().expect("a commit was counted in it");
            ledger.uncommitted -= 1;
            ledger.uncommitted == 0
        };
        if quiet {
            self.kind.shared.residents.say_room();
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
        self.start_waiting(Start::Task);
    }

    /// Whether commits of the entity are under way.
    pub(super) fn is_unconfirmed(&self) -> bool {
        self.lock().ledger.as_ref().is_some_and(|ledger| ledger.uncommitted > 0)
    }

    /// Whether the entity was idle for long enough to leave memory; a quick look without the lock.
    pub(super) fn is_due(&self, now: Moment, idle: Duration) -> bool {
        let age = coarse(now).wrapping_sub(self.last_active.load(Ordering::Relaxed));
        u64::from(age) << 20 >= u64::try_from(idle.as_nanos()).unwrap_or(u64::MAX)
    }

    pub(super) fn is_vacant(&self) -> bool {
        let inner = self.lock();
        inner.phase == Phase::Vacant && inner.mailbox.is_none() && inner.running.is_idle()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.lock().is_idle()
    }

    /// Forgets everything, so that entities and runner can be dropped.
    pub(super) fn forget(&self) {
        let (entity, mailbox, left) = {
            let mut inner = self.lock();
            let left = inner.vacate();
            (inner.entity.take(), inner.mailbox.take(), left)
        };
        for job in mailbox.into_iter().flat_map(|mut mailbox| mailbox.take_all()) {
            job.displace(ClusterError::ShuttingDown);
        }
        entity.into_iter().for_each(discard);
        if left {
            self.kind.shared.residents.leave();
        }
    }
}

impl<T: Serves> Inner<T> {
    /// Gives up the instance that its exclusive handler has; says whether it had a place in memory.
    /// One that is being made or taken down gives its place back by itself.
    fn vacate(&mut self) -> bool {
        mem::replace(&mut self.phase, Phase::Vacant) == Phase::Ready
    }

    /// Starts a handler's turn; the caller has checked that it may.
    #[inline]
    pub(super) fn turn(&mut self, slot: &Arc<Slot<T>>, access: Access) -> Turn<T> {
        self.running.start(access);
        let entity = match access {
            Access::Exclusive => self.entity.take(),
            Access::Shared => self.entity.clone(),
        };
        let unconfirmed = self.ledger.as_ref().is_some_and(|ledger| ledger.uncommitted > 0);
        let generation = slot.generation();
        Turn::new(
            slot.clone(),
            entity.expect("in memory and free"),
            access,
            generation,
            unconfirmed,
        )
    }

    /// Puts a request into the mailbox, if there is room. Where there is none, requests whose
    /// callers are gone make some; they are to be dropped without the lock.
    fn enqueue(&mut self, job: Box<dyn Job<T>>, limit: usize) -> (bool, VecDeque<Box<dyn Job<T>>>) {
        let mailbox = self.mailbox.get_or_insert_default();
        let mut gone = VecDeque::new();
        if mailbox.len() >= limit {
            gone = mailbox.take_if(|job| job.is_gone());
        }
        let room = mailbox.len() < limit;
        if room {
            mailbox.push(job);
        } else {
            gone.push_back(job);
        }
        (room, gone)
    }

    /// A request that was out is back, or has ended.
    pub(super) fn one_less_out(&mut self) {
        if let Some(ledger) = &mut self.ledger {
            ledger.out = ledger.out.saturating_sub(1);
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.phase == Phase::Ready
            && self.running.is_idle()
            && self.mailbox.is_none()
            && self.ledger.as_ref().is_none_or(|ledger| ledger.uncommitted == 0)
    }

    /// What to do next; on `Activate` and `Rest` the pump ends.
    fn next_step(&mut self, slot: &Arc<Slot<T>>) -> Step<T> {
        if self.mailbox.as_ref().is_some_and(|mailbox| mailbox.is_done()) {
            self.mailbox = None;
        }
        let step = self.next_start(slot);
        if matches!(step, Step::Activate | Step::Rest) {
            self.pumping = false;
        }
        step
    }

    fn next_start(&mut self, slot: &Arc<Slot<T>>) -> Step<T> {
        let Some(mailbox) = &mut self.mailbox else { return Step::Rest };
        let Some(first) = mailbox.front() else { return Step::Rest };
        let gate = &slot.kind.shared.gate;
        if !gate.is_open() && gate.check(first.is_from_handler()).is_err() {
            return mailbox.pop_front().map_or(Step::Rest, Step::Displace);
        }
        match self.phase {
            Phase::Changing => Step::Rest,
            Phase::Vacant if !self.running.is_idle() => Step::Rest,
            Phase::Vacant => {
                self.phase = Phase::Changing;
                Step::Activate
            }
            Phase::Ready => {
                let quiet = self.ledger.as_ref().is_none_or(|ledger| ledger.uncommitted == 0);
                let concurrency = slot.kind.limits.concurrency;
                let Some(job) = mailbox.pop(&self.running, concurrency, quiet) else {
                    return Step::Rest;
                };
                if mailbox.is_done() {
                    self.mailbox = None;
                }
                if job.seq().is_some() {
                    self.ledger.get_or_insert_default().out += 1;
                }
                let turn = self.turn(slot, job.access());
                Step::Run(job, turn)
            }
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

    fn place_is_free(self: Arc<Self>) {
        self.try_again();
    }
}

/// Units of about a millisecond; wraps after 52 days, which only delays a passivation.
fn coarse(moment: Moment) -> u32 {
    (moment.as_nanos() >> 20) as u32
}
