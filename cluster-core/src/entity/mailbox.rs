//! Who may start, and who waits: no task, no clock, no storage here.

use std::collections::VecDeque;

use super::context::Nesting;
use super::options::Access;
use crate::id::Seq;

/// What runs on an entity now.
#[derive(Debug, Default)]
pub(super) struct Running {
    pub(super) exclusive: bool,
    pub(super) readers: u32,
}

impl Running {
    /// Whether a handler may start beside those that run: the borrow checker's own rule.
    #[inline]
    pub(super) fn admits(&self, access: Access, concurrency: usize) -> bool {
        !self.exclusive
            && match access {
                Access::Exclusive => self.readers == 0,
                Access::Shared => (self.readers as usize) < concurrency,
            }
    }

    #[inline]
    pub(super) fn start(&mut self, access: Access) {
        match access {
            Access::Exclusive => self.exclusive = true,
            Access::Shared => self.readers += 1,
        }
    }

    #[inline]
    pub(super) fn end(&mut self, access: Access) {
        match access {
            Access::Exclusive => self.exclusive = false,
            Access::Shared => self.readers -= 1,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        !self.exclusive && self.readers == 0
    }
}

/// What a waiting request tells its mailbox.
pub(super) trait Queued {
    fn access(&self) -> Access;
    /// Starts only when nothing of the entity is uncommitted.
    fn needs_quiet(&self) -> bool;
    /// Its place in the owner's order; `None` for a volatile one.
    fn seq(&self) -> Option<Seq>;
    /// Whether a handler that runs on the entity waits for it.
    fn nesting(&self) -> Nesting;

    /// A handler that runs on the entity waits for it.
    fn nest(&mut self);
}

/// The requests that wait for one entity, first come first served: a waiting `&mut self` request
/// holds back the `&self` requests behind it, so that readers cannot starve it.
#[derive(Debug)]
pub(super) struct Mailbox<J> {
    waiting: VecDeque<J>,
    /// Set while accepted requests of the entity stay in the storage for want of room.
    pub(super) spill: Option<Spill>,
}

/// Requests of the entity that are in the storage only.
#[derive(Debug, Default)]
pub(super) struct Spill {
    /// More were accepted since the last page was asked for.
    pub(super) missed: bool,
    /// A task loads the next page.
    pub(super) loading: bool,
    /// Cancelled, or ended before their turn, since that page was asked for: it may still hold
    /// these.
    pub(super) ended: Vec<Seq>,
}

impl<J> Default for Mailbox<J> {
    fn default() -> Self {
        Mailbox { waiting: VecDeque::new(), spill: None }
    }
}

impl<J: Queued> Mailbox<J> {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether a volatile request may come in. While accepted ones stay in the storage for want of
    /// room half of the places are theirs. Calls for which a running handler waits always may: they
    /// are bounded by the depth of the chain.
    pub(super) fn has_room(&self, job: &J, limit: usize) -> bool {
        let limit = if self.spill.is_some() { limit / 2 } else { limit };
        job.nesting() == Nesting::Read || self.len() < limit
    }

    pub(super) fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.spill.is_none()
    }

    pub(super) fn push(&mut self, job: J) {
        match job.nesting() {
            Nesting::None => self.waiting.push_back(job),
            Nesting::Read => self.push_nested(job),
        }
    }

    /// Puts a request before all others for which a handler waits that runs on the entity now: a
    /// writer at the front waits for that handler, and it would for the writer.
    fn push_nested(&mut self, job: J) {
        let at = self.waiting.iter().position(|other| other.nesting() == Nesting::None);
        self.waiting.insert(at.unwrap_or(self.waiting.len()), job);
    }

    /// A request that is here is one for which a running handler waits; says whether it is new.
    pub(super) fn nest(&mut self, seq: Seq) -> bool {
        let is_it = |job: &J| job.seq() == Some(seq) && job.nesting() == Nesting::None;
        let at = self.waiting.iter().position(is_it);
        let Some(mut job) = at.and_then(|at| self.waiting.remove(at)) else { return false };
        job.nest();
        self.push_nested(job);
        true
    }

    /// Puts a stored request before those that are not stored.
    pub(super) fn push_before_calls(&mut self, job: J) {
        let at = self.waiting.iter().rposition(|other| other.seq().is_some());
        self.waiting.insert(at.map_or(0, |at| at + 1), job);
    }

    /// Puts a request that must run again back to its place in the owner's order: before the first
    /// one accepted after it; by `strict` order also before what is not stored, which came later.
    pub(super) fn push_again(&mut self, job: J, strict: bool) {
        if job.nesting() == Nesting::Read {
            return self.push_nested(job);
        }
        let seq = job.seq();
        let later = |other: &J| {
            other.nesting() == Nesting::None
                && other.seq().map_or(strict, |other| Some(other) > seq)
        };
        let at = self.waiting.iter().position(later).unwrap_or(self.waiting.len());
        self.waiting.insert(at, job);
    }

    /// The first request, if it may start now.
    pub(super) fn pop(&mut self, running: &Running, concurrency: usize, quiet: bool) -> Option<J> {
        let first = self.waiting.front()?;
        let concurrency = match first.nesting() {
            Nesting::None => concurrency,
            // The one that waits for it has its share; bounded by the depth of the chain.
            Nesting::Read => usize::MAX,
        };
        let may = running.admits(first.access(), concurrency) && (quiet || !first.needs_quiet());
        if may { self.waiting.pop_front() } else { None }
    }

    pub(super) fn front(&self) -> Option<&J> {
        self.waiting.front()
    }

    pub(super) fn pop_front(&mut self) -> Option<J> {
        self.waiting.pop_front()
    }

    pub(super) fn any(&self, is_it: impl FnMut(&J) -> bool) -> bool {
        self.waiting.iter().any(is_it)
    }

    /// Takes out the requests for which `is_it` says so.
    pub(super) fn take_if(&mut self, mut is_it: impl FnMut(&J) -> bool) -> VecDeque<J> {
        let (taken, left) = self.take_all().into_iter().partition(|job| is_it(job));
        self.waiting = left;
        taken
    }

    pub(super) fn take_all(&mut self) -> VecDeque<J> {
        std::mem::take(&mut self.waiting)
    }

    /// Whether a page of spilled requests should be loaded: half of the mailbox is free.
    pub(super) fn wants_refill(&self, limit: usize) -> bool {
        self.spill.as_ref().is_some_and(|spill| !spill.loading) && self.len() <= limit / 2
    }
}
