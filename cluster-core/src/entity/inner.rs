//! What a slot's lock guards. No user code runs under it.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use bytes::Bytes;

use super::context::Nesting;
use super::contract::Serves;
use super::job::Job;
use super::keep_alive::KeptAlive;
use super::kind::Kind;
use super::mailbox::{Mailbox, Running};
use super::options::Access;
use super::shared::Shared;
use super::slot::Slot;
use super::turn::{Back, Turn};
use crate::commit::Lineage;
use crate::error::ClusterError;
use crate::id::{Seq, StateVersion};

/// Guarded by the slot's lock; no user code runs under it.
pub(super) struct Inner<T: Serves> {
    /// The instance, unless an exclusive handler has it. Readers hold clones.
    pub(super) entity: Option<Arc<T>>,
    pub(super) phase: Phase,
    pub(super) running: Running,
    /// Open streams: they keep the instance in memory.
    pub(super) pins: u32,
    /// Somebody is starting waiting requests; whoever else frees the entity need not.
    pub(super) pumping: bool,
    /// It stands in the queue of those for whom there was no room in memory.
    pub(super) waits_for_place: bool,
    /// It was to have the place of an idle entity that was on its way out; its phase is `Changing`
    /// or it is about to look again.
    pub(super) promised: bool,
    /// It is being cleared; its phase is `Changing`.
    pub(super) clearing: bool,
    /// How many wait to clear it, or do: nothing else starts, but what a running handler waits for.
    pub(super) clears: u16,
    /// Requests whose handler has returned and whose reply comes later; at most
    /// `later_replies_max`.
    pub(super) outstanding: usize,
    /// The entity is kept alive: it stays in memory, and comes back by itself.
    pub(super) kept: Option<Box<KeptAlive>>,
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
    /// A handler waits until there are fewer.
    pub(super) held_back: bool,
    /// Requests up to here have been put into the mailbox.
    pub(super) delivered: Seq,
    /// Those that have left it and have not ended: they run or are being committed; where order is
    /// strict also the one that is in back-off or held.
    pub(super) out: VecDeque<Seq>,
    /// Requests up to here were removed with the entity: none of them runs any more.
    pub(super) cleared: Seq,
}

/// What became of an entity that a handler gave back.
pub(super) enum Handed<T> {
    Back(Freed),
    /// The slot still counts the handler as running.
    Void(Arc<T>),
}

/// What a handler's end sets free.
pub(super) struct Freed {
    /// Requests wait, and nobody else starts them.
    pub(super) pump: bool,
    /// There is an instance less.
    pub(super) left: bool,
    /// Nothing runs on the entity any more.
    pub(super) idle: bool,
}

pub(super) enum Step<T: Serves> {
    Run(Box<dyn Job<T>>, Turn<T>),
    Displace(Box<dyn Job<T>>, ClusterError),
    Activate,
    Rest,
}

impl<T: Serves> Inner<T> {
    /// Gives up the instance that its exclusive handler has; says whether it had a place in memory.
    /// One that is being made or taken down gives its place back by itself.
    pub(super) fn vacate(&mut self) -> bool {
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

    /// Ends a handler's turn; an instance that the slot does not want any more is to be discarded
    /// first, and not under the lock.
    pub(super) fn hand_back(
        &mut self,
        slot: &Arc<Slot<T>>,
        access: Access,
        back: Back<T>,
    ) -> Handed<T> {
        let left = match back {
            Back::Shared => false,
            Back::Nothing => self.vacate(),
            Back::Discard(entity) => return Handed::Void(entity),
            Back::Keep(entity, generation) => {
                if self.phase != Phase::Ready || generation != slot.generation() {
                    // A commit has failed this very moment, or the runner has ended.
                    return Handed::Void(entity);
                }
                self.entity = Some(entity);
                false
            }
        };
        self.running.end(access);
        slot.activity.end(access);
        let waited_for = self.mailbox.is_some() || self.is_missed();
        let pump = waited_for && !mem::replace(&mut self.pumping, true);
        Handed::Back(Freed { pump, left, idle: self.running.is_idle() })
    }

    /// Puts a request into the mailbox, if there is room. Where there is none, requests whose
    /// callers are gone make some; they are to be dropped without the lock.
    pub(super) fn enqueue(
        &mut self,
        job: Box<dyn Job<T>>,
        limit: usize,
    ) -> (bool, VecDeque<Box<dyn Job<T>>>) {
        let mailbox = self.mailbox.get_or_insert_default();
        let mut gone = VecDeque::new();
        if !mailbox.has_room(&job, limit) {
            gone = mailbox.take_if(|job| job.is_gone());
        }
        let room = mailbox.has_room(&job, limit);
        if room {
            mailbox.push(job);
        } else {
            gone.push_back(job);
        }
        (room, gone)
    }

    /// Whether a handler may start before the commits under way are durable. So no more units wait
    /// for the committer than its queue has room for, and one for each entity in memory.
    #[inline]
    pub(super) fn may_run_ahead(&mut self, shared: &Shared) -> bool {
        let Some(ledger) = &mut self.ledger else { return true };
        let may = ledger.uncommitted == 0
            || (ledger.uncommitted as usize) < shared.config.run_ahead_max
                && shared.committer.full().is_none();
        ledger.held_back |= !may;
        may
    }

    /// A request has left the mailbox, to run.
    pub(super) fn goes_out(&mut self, request: Seq) {
        self.ledger.get_or_insert_default().out.push_back(request);
    }

    /// A request that was out is back, or has ended.
    pub(super) fn is_back(&mut self, request: Seq) {
        let Some(ledger) = &mut self.ledger else { return };
        let Some(at) = ledger.out.iter().position(|out| *out == request) else { return };
        ledger.out.remove(at);
        // One that was due at a time has overtaken those in the storage: a page that is on its way
        // from there may hold it, as an attempt left it where order is strict.
        if request > ledger.delivered
            && let Some(spill) = self.mailbox.as_mut().and_then(|mailbox| mailbox.spill.as_mut())
            && spill.loading
        {
            spill.ended.push(request);
        }
    }

    pub(super) fn is_out(&self, request: Seq) -> bool {
        self.ledger.as_ref().is_some_and(|ledger| ledger.out.contains(&request))
    }

    /// Whether, by strict order, this request (`None` for one that is not stored) may not start
    /// before others have ended.
    pub(super) fn must_wait_its_turn(&self, kind: &Kind<T>, request: Option<Seq>) -> bool {
        // While what stands in the storage is not known, only what comes from there is in order.
        kind.limits.strict_order
            && (self.ledger.as_ref().is_some_and(|ledger| !ledger.out.is_empty())
                || request.is_none() && !kind.shared.intake.is_known())
    }

    pub(super) fn is_idle(&self) -> bool {
        self.phase == Phase::Ready
            && self.running.is_idle()
            && self.pins == 0
            && self.mailbox.is_none()
            && self.ledger.as_ref().is_none_or(|ledger| ledger.uncommitted == 0)
    }

    /// Whether the entity is kept alive and has no instance.
    pub(super) fn is_missed(&self) -> bool {
        self.kept.is_some() && self.phase == Phase::Vacant && self.running.is_idle()
    }

    /// What to do next; on `Activate` and `Rest` the pump ends.
    pub(super) fn next_step(&mut self, slot: &Arc<Slot<T>>) -> Step<T> {
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
        let may_run = self.mailbox.is_none() || self.may_run_ahead(&slot.kind.shared);
        let gate = &slot.kind.shared.gate;
        if self.mailbox.is_none() && self.is_missed() && gate.is_open() {
            self.phase = Phase::Changing;
            return Step::Activate;
        }
        let first = self.mailbox.as_ref().and_then(|mailbox| mailbox.front());
        let Some(first) = first.map(|first| first.seq()) else { return Step::Rest };
        let in_order = self.must_wait_its_turn(&slot.kind, first);
        let Some(mailbox) = &mut self.mailbox else { return Step::Rest };
        let Some(first) = mailbox.front() else { return Step::Rest };
        if !gate.is_open() && gate.check(first.is_from_handler()).is_err() {
            let why = ClusterError::ShuttingDown;
            return mailbox.pop_front().map_or(Step::Rest, |job| Step::Displace(job, why));
        }
        if self.clears > 0 && first.nesting() == Nesting::None {
            return Step::Rest;
        }
        let cleared = self.ledger.as_ref().map_or(Seq::default(), |ledger| ledger.cleared);
        if first.seq().is_some_and(|seq| seq <= cleared) {
            let why = ClusterError::Interrupted;
            return mailbox.pop_front().map_or(Step::Rest, |job| Step::Displace(job, why));
        }
        match self.phase {
            Phase::Changing => Step::Rest,
            Phase::Vacant if !self.running.is_idle() => Step::Rest,
            Phase::Vacant => {
                self.phase = Phase::Changing;
                Step::Activate
            }
            Phase::Ready if !may_run || in_order => Step::Rest,
            Phase::Ready => {
                let quiet = self.ledger.as_ref().is_none_or(|ledger| ledger.uncommitted == 0);
                let concurrency = slot.kind.limits.concurrency;
                let Some(job) = mailbox.pop(&self.running, concurrency, quiet) else {
                    return Step::Rest;
                };
                if mailbox.is_done() {
                    self.mailbox = None;
                }
                if let Some(seq) = job.seq() {
                    self.goes_out(seq);
                }
                let turn = self.turn(slot, job.access());
                Step::Run(job, turn)
            }
        }
    }
}
