//! Requests of an entity that are not in its mailbox now: in back-off, or in the storage for want
//! of room.

use std::sync::Arc;
use std::time::Duration;

use super::contract::Serves;
use super::job::{Delivered, Job};
use super::slot::{Slot, Start};
use crate::id::Seq;
use crate::storage::{PendingRequest, PendingScan};
use crate::time::Timestamp;

/// The pause after a failed load.
const LOAD_RETRY: Duration = Duration::from_millis(100);

impl<T: Serves> Slot<T> {
    /// Takes a stored request that is in back-off; later ones pass it.
    pub(super) fn deliver_later(
        self: &Arc<Self>,
        seq: Seq,
        job: Box<dyn Job<T>>,
        at: Timestamp,
    ) -> Delivered {
        {
            let mut inner = self.lock();
            let ledger = inner.ledger.get_or_insert_default();
            if seq <= ledger.delivered || ledger.delayed.contains(&seq) {
                return Delivered::Twice;
            }
            ledger.delivered = seq;
        }
        self.requeue_at(job, at);
        Delivered::Queued
    }

    /// Puts a request back at the given time; until then later ones pass it.
    pub(super) fn requeue_at(self: &Arc<Self>, job: Box<dyn Job<T>>, at: Timestamp) {
        let seq = job.seq().expect("only persisted requests are run again");
        self.lock().ledger.get_or_insert_default().delayed.push(seq);
        let shared = &self.kind.shared;
        let delay = at.since(shared.clock.wall());
        let slot = self.clone();
        shared.alarms.arm(&shared.clock, delay, move || {
            if let Some(ledger) = &mut slot.lock().ledger {
                ledger.delayed.retain(|delayed| *delayed != seq);
            }
            slot.requeue(job);
        });
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
            (after, room)
        };
        let shared = &self.kind.shared;
        let entity = Some(self.kind.state_key(self.id()));
        let limit = room.min(shared.config.load_page);
        let scan = PendingScan { after, entity, limit };
        let page = match shared.storage.load_pending(shared.committer.fence(), scan).await {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(%error, "pending requests could not be loaded, trying again");
                shared.clock.sleep(LOAD_RETRY).await;
                return true;
            }
        };
        let more = self.take_page(page, limit);
        self.start_waiting(Start::Task);
        more
    }

    /// Puts a loaded page into the mailbox; says whether there may be more.
    fn take_page(self: &Arc<Self>, page: Vec<PendingRequest>, asked: usize) -> bool {
        let loaded = page.len();
        for pending in page {
            let (seq, retry_at) = (pending.request.seq, pending.retry_at);
            let Some(job) = self.kind.load_job(self, pending) else { continue };
            match retry_at {
                Some(at) => {
                    self.deliver_later(seq, job, at);
                }
                None => {
                    let mut guard = self.lock();
                    let inner = &mut *guard;
                    let ledger = inner.ledger.get_or_insert_default();
                    if seq > ledger.delivered {
                        ledger.delivered = seq;
                        inner.mailbox.get_or_insert_default().push(job);
                    }
                }
            }
        }
        let mut inner = self.lock();
        let Some(mailbox) = &mut inner.mailbox else { return false };
        let Some(spill) = &mut mailbox.spill else { return false };
        if loaded < asked && !spill.missed {
            mailbox.spill = None;
            return false;
        }
        true
    }
}
