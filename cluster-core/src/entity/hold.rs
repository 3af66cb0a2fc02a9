//! Requests that wait for something that this runner lacks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::HashMap;
use parking_lot::Mutex;

use super::origin::try_to_record;
use super::shared::Shared;
use crate::commit::{CommitFailure, Rare, Writes};
use crate::error::ClusterError;
use crate::id::{RequestId, Seq};
use crate::metric;
use crate::storage::{HoldWrite, Missing, RequestRow};
use crate::time::Timestamp;

/// Of how many requests is remembered since when they were held; of others it begins anew.
const REMEMBERED_MAX: usize = 65_536;

/// Since when requests were held that a start has released on trial, until they end.
#[derive(Debug, Default)]
pub(crate) struct HeldSince {
    /// How many there are: mostly none, which spares the lock.
    count: AtomicUsize,
    requests: Mutex<HashMap<Seq, Timestamp>>,
}

impl HeldSince {
    /// A request is tried that was held since then.
    pub(super) fn note(&self, request: Seq, since: Timestamp) {
        self.change(|requests| {
            if requests.len() < REMEMBERED_MAX {
                requests.insert(request, since);
            }
        });
    }

    /// The request has ended, or is held again; since when it was held before.
    pub(super) fn take(&self, request: Seq) -> Option<Timestamp> {
        if self.count.load(Ordering::SeqCst) == 0 {
            return None;
        }
        self.change(|requests| requests.remove(&request))
    }

    fn change<R>(&self, change: impl FnOnce(&mut HashMap<Seq, Timestamp>) -> R) -> R {
        let mut requests = self.requests.lock();
        let changed = change(&mut requests);
        self.count.store(requests.len(), Ordering::SeqCst);
        changed
    }
}

/// Holds a stored request: it leaves those that wait for their turn, is listed, and who waits for
/// it is told so. The next start of a runner that has what is missing releases it.
pub(super) fn hold(shared: &Arc<Shared>, row: RequestRow, missing: Missing) {
    let (request, entity, id) = (row.id, &*row.entity_type, &row.entity_id);
    let reason = reason(&missing);
    tracing::warn!(%request, entity, %id, reason, "a request is held");
    let hold = HoldWrite {
        seq: row.seq,
        shard: row.shard,
        epoch: shared.epoch_of(row.shard).unwrap_or(row.epoch),
        held_at: shared.held_since.take(row.seq).unwrap_or_else(|| shared.clock.wall()),
        missing: missing.clone(),
    };
    let runner = shared.clone();
    let then = move |result: Result<(), CommitFailure>| {
        // A page that was loaded before may still hold it.
        runner.request_ended(row.seq);
        // Without the record it stays where it was, and is held after the next start.
        if result.is_ok() {
            metrics::counter!(metric::HOLDS, "entity" => row.entity_type.to_string()).increment(1);
        }
        runner.waiters.tell(row.id, || Err(held(row.id, &missing)));
    };
    let writes = Writes::rare(Rare { hold: Some(hold), ..Rare::default() });
    try_to_record(shared.clone(), 1, None, writes, Box::new(then));
}

/// The notice that a request is held.
pub(crate) fn held(request: RequestId, missing: &Missing) -> ClusterError {
    ClusterError::Held { request, reason: reason(missing) }
}

/// What is missing, for people.
fn reason(missing: &Missing) -> String {
    match missing {
        Missing::EntityType => "no runner hosts its entity type".to_owned(),
        Missing::Message => "its entity type has no such message".to_owned(),
        Missing::Contract(error) => error.clone(),
    }
}
