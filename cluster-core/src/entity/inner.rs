//! What a slot's lock guards. No user code runs under it.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use bytes::Bytes;

use super::contract::Serves;
use super::job::Job;
use super::kind::Limits;
use super::mailbox::{Mailbox, Running};
use super::options::Access;
use super::shared::Shared;
use super::slot::Slot;
use super::turn::{Back, Turn};
use crate::commit::Lineage;
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
    Displace(Box<dyn Job<T>>),
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
        let pump = self.mailbox.is_some() && !mem::replace(&mut self.pumping, true);
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
        if let Some(ledger) = &mut self.ledger
            && let Some(at) = ledger.out.iter().position(|out| *out == request)
        {
            ledger.out.remove(at);
        }
    }

    pub(super) fn is_out(&self, request: Seq) -> bool {
        self.ledger.as_ref().is_some_and(|ledger| ledger.out.contains(&request))
    }

    /// Whether, by strict order, nothing may start before a request has ended that is out.
    pub(super) fn must_wait_its_turn(&self, limits: &Limits) -> bool {
        limits.strict_order && self.ledger.as_ref().is_some_and(|ledger| !ledger.out.is_empty())
    }

    pub(super) fn is_idle(&self) -> bool {
        self.phase == Phase::Ready
            && self.running.is_idle()
            && self.pins == 0
            && self.mailbox.is_none()
            && self.ledger.as_ref().is_none_or(|ledger| ledger.uncommitted == 0)
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
        let in_order = self.must_wait_its_turn(&slot.kind.limits);
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
