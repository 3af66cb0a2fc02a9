//! Requests of an entity that come to its mailbox late: they were due at a time, or in the storage
//! for want of room.

use std::sync::Arc;
use std::time::Duration;

use super::context::Nesting;
use super::contract::Serves;
use super::hold::hold;
use super::inner::{Inner, Phase};
use super::job::{Delivered, Job};
use super::kind::Limits;
use super::mailbox::Spill;
use super::slot::{Slot, Start};
use crate::error::text;
use crate::id::{RequestId, Seq};
use crate::storage::{Missing, PageRoom, PendingRequest, PendingScan};
use crate::time::Timestamp;

/// The pause after a failed load.
const LOAD_RETRY: Duration = Duration::from_millis(100);

impl<T: Serves> Slot<T> {
    /// Puts a request that has become due into the mailbox, whether there is room or not: how many
    /// of these are in memory is bounded by `schedule_max`. One that was tried before goes to its
    /// place in the owner's order.
    pub(super) fn join_queue(self: &Arc<Self>, seq: Seq, job: Box<dyn Job<T>>, again: bool) {
        {
            let mut inner = self.lock();
            if !self.kind.shared.schedule.is_waiting(seq) {
                // Cancelled since it became due.
                drop(inner);
                return;
            }
            let mailbox = inner.mailbox.get_or_insert_default();
            if again {
                mailbox.push_again(job, self.kind.limits.strict_order);
            } else {
                mailbox.push(job);
            }
        }
        self.start_waiting(Start::Task);
    }

    /// A running handler may wait for a request that has come by way of the storage, or has been
    /// here before: it goes before those that wait for that handler.
    ///
    /// Both sides look: who waits, after it has said so, and who puts the request here, after that.
    pub(super) fn nest(self: &Arc<Self>, seq: Seq, request: RequestId) {
        let Some(caller) = self.kind.shared.waiters.caller(request) else { return };
        if self.nesting(Some(&caller)) == Nesting::None {
            return;
        }
        let is_nested = self.lock().mailbox.as_mut().is_some_and(|mailbox| mailbox.nest(seq));
        if is_nested {
            self.start_waiting(Start::Task);
        }
    }

    /// A request came whose message the type has not. Strict order has those behind it wait.
    pub(super) fn pass_unknown(&self, seq: Seq) -> Delivered {
        let mut inner = self.lock();
        if self.kind.shared.intake.has_ended(seq) || !inner.count_delivered(seq, &self.kind.limits)
        {
            return Delivered::Twice;
        }
        if self.kind.limits.strict_order {
            inner.goes_out(seq);
        }
        Delivered::Unknown
    }

    /// Takes a stored request that is in back-off and has those behind it wait.
    pub(super) fn deliver_later(
        self: &Arc<Self>,
        seq: Seq,
        job: Box<dyn Job<T>>,
        at: Timestamp,
    ) -> Delivered {
        {
            let mut inner = self.lock();
            if let Some(spill) = inner.mailbox.as_mut().and_then(|mailbox| mailbox.spill.as_mut()) {
                // Earlier ones are still in the storage: it comes in its turn.
                spill.missed = true;
                return Delivered::Spilled;
            }
            if self.kind.shared.intake.has_ended(seq)
                || !inner.count_delivered(seq, &self.kind.limits)
            {
                return Delivered::Twice;
            }
            inner.goes_out(seq);
        }
        self.requeue_at(job, at);
        Delivered::Queued
    }

    /// Leaves requests in the storage until the entity has a place in memory; false when it is
    /// being brought there already.
    pub(super) fn wait_in_storage(self: &Arc<Self>) -> bool {
        {
            let mut inner = self.lock();
            let vacant = inner.phase == Phase::Vacant && inner.running.is_idle();
            if !vacant || inner.mailbox.is_some() {
                return false;
            }
            inner.mailbox.get_or_insert_default().spill = Some(Spill::default());
            inner.waits_for_place = true;
        }
        self.queue_for_place();
        true
    }

    /// Puts a request back at the given time. It is out until then, so nothing of the entity starts
    /// where order is strict; bounded by the entities in memory, each of which has one such.
    pub(super) fn requeue_at(self: &Arc<Self>, job: Box<dyn Job<T>>, at: Timestamp) {
        let shared = &self.kind.shared;
        // Never longer than any back-off: the clock may have been set back meanwhile.
        let delay = at.since(shared.clock.wall()).min(self.kind.limits.backoff_longest);
        let slot = self.clone();
        let of = job.seq();
        shared.alarms.arm_for(of, &shared.clock, delay, move || slot.requeue(job));
    }

    /// A request that was out has ended.
    pub(super) fn request_ended(self: &Arc<Self>, seq: Seq) {
        self.kind.shared.request_ended(seq);
        self.request_is_back(seq);
    }

    /// The same, where it was told before that the request has ended.
    pub(super) fn request_is_back(self: &Arc<Self>, seq: Seq) {
        self.lock().is_back(seq);
        if self.kind.limits.strict_order {
            self.start_waiting(Start::Task);
        }
    }

    /// Loads the next page of requests that did not fit into the mailbox, until there is no room or
    /// no more.
    pub(super) fn refill(self: &Arc<Self>) {
        let slot = self.clone();
        self.kind.shared.tasks.spawn_loop(async move { while slot.load_page().await {} });
    }

    async fn load_page(self: &Arc<Self>) -> bool {
        let limit = self.kind.limits.mailbox;
        let (after, room) = {
            let mut guard = self.lock();
            let inner = &mut *guard;
            let after = inner.ledger.get_or_insert_default().delivered;
            let Some(mailbox) = &mut inner.mailbox else { return false };
            let room = limit.saturating_sub(mailbox.len());
            let Some(spill) = &mut mailbox.spill else { return false };
            if room == 0 {
                spill.loading = false;
                return false;
            }
            spill.missed = false;
            spill.ended.clear();
            (after, room)
        };
        let shared = &self.kind.shared;
        let entity = Some(self.kind.state_key(self.id()));
        let limit = room.min(shared.config.load_page);
        let scan = PendingScan { after, entity, limit, bytes: shared.config.load_page_bytes };
        let mut room = scan.room();
        let page = match shared.storage.load_pending(shared.committer.fence(), scan).await {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(
                    error = text(&error),
                    "pending requests could not be loaded, trying again"
                );
                shared.clock.sleep(LOAD_RETRY).await;
                return true;
            }
        };
        page.iter().for_each(|pending| room.take(&pending.request));
        let more = self.take_page(page, room);
        self.start_waiting(Start::Task);
        if !more && shared.residents.has_room() {
            // The page may have held nothing to run: then the next who waits has the place.
            shared.residents.say_room();
        }
        more
    }

    /// Puts a loaded page into the mailbox; says whether there may be more. A page that has room
    /// is the last one.
    fn take_page(self: &Arc<Self>, page: Vec<PendingRequest>, room: PageRoom) -> bool {
        for pending in page {
            let (seq, due_at) = (pending.request.seq, pending.due_at);
            let row = pending.request.clone();
            let Some(job) = self.kind.load_job(self, pending) else {
                if self.pass_unknown(seq) == Delivered::Unknown {
                    hold(&self.kind.shared, row, Missing::Message);
                }
                continue;
            };
            let mut inner = self.lock();
            if !inner.count_delivered(seq, &self.kind.limits) {
                continue;
            }
            match due_at {
                None => {
                    inner.mailbox.get_or_insert_default().push(job);
                    drop(inner);
                    self.nest(seq, row.id);
                }
                Some(at) => {
                    inner.goes_out(seq);
                    drop(inner);
                    self.requeue_at(job, at);
                }
            }
        }
        let mut inner = self.lock();
        let Some(mailbox) = &mut inner.mailbox else { return false };
        let Some(spill) = &mut mailbox.spill else { return false };
        if room.is_left() && !spill.missed {
            mailbox.spill = None;
            return false;
        }
        true
    }
}

impl<T: Serves> Inner<T> {
    /// Whether the request is out, or in the mailbox though it was not delivered: it was due at a
    /// time, and stands among the pending ones since an attempt has failed, as strict order wants.
    pub(super) fn is_here(&self, seq: Seq) -> bool {
        self.is_out(seq)
            || self
                .mailbox
                .as_ref()
                .is_some_and(|mailbox| mailbox.any(|job| job.seq() == Some(seq)))
    }

    /// Counts the request as delivered, unless it was so before or was cancelled meanwhile.
    fn count_delivered(&mut self, seq: Seq, limits: &Limits) -> bool {
        let spill = self.mailbox.as_ref().and_then(|mailbox| mailbox.spill.as_ref());
        let known = spill.is_some_and(|spill| spill.ended.contains(&seq))
            || limits.strict_order && self.is_here(seq);
        let ledger = self.ledger.get_or_insert_default();
        let new = seq > ledger.delivered;
        if new {
            ledger.delivered = seq;
        }
        new && !known
    }
}
