//! The one writer of a runner.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::seqs::Seqs;
use super::unit::{CommitFailure, Unit, Writes};
use crate::config::Config;
use crate::id::{MachineId, Seq};
use crate::storage::{Batch, Committed, Fence, RequestRow, StateKey, Storage, StorageError};
use crate::time::Clock;

/// Gathers units while a transaction runs and commits what has gathered in the next one. One
/// transaction is in flight at a time; units are committed in the order in which they came, so a
/// unit never becomes durable before one that it was built on.
pub(crate) struct Committer {
    storage: Arc<dyn Storage>,
    clock: Clock,
    seqs: Seqs,
    batch_max: usize,
    queue_max: usize,
    attempts: u32,
    gathered: Mutex<Gathered>,
    wake: Notify,
    /// The fence in force. Changed by the committer's task alone.
    fence: Mutex<Fence>,
    metrics: Metrics,
}

#[derive(Default)]
struct Gathered {
    units: Vec<Unit>,
    raises: Vec<oneshot::Sender<Result<Fence, StorageError>>>,
    closed: bool,
    /// Another incarnation has taken over: nothing of this one will ever be written.
    fenced: bool,
}

struct Metrics {
    batch_units: metrics::Histogram,
    commit_seconds: metrics::Histogram,
    commits: metrics::Counter,
    commit_failures: metrics::Counter,
}

/// The wait before a failed transaction is tried again; doubles with each attempt.
const RETRY_WAIT_MIN: Duration = Duration::from_millis(10);
/// The longest such wait.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(1);

impl Committer {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        clock: Clock,
        config: &Config,
        fence: Fence,
        machine: MachineId,
        floor: Seq,
    ) -> Self {
        let kind = storage.kind();
        Committer {
            metrics: Metrics {
                batch_units: metrics::histogram!("cluster_commit_batch_units", "storage" => kind),
                commit_seconds: metrics::histogram!("cluster_commit_seconds", "storage" => kind),
                commits: metrics::counter!("cluster_commits_total", "storage" => kind),
                commit_failures: metrics::counter!(
                    "cluster_commit_failures_total", "storage" => kind
                ),
            },
            storage,
            clock,
            seqs: Seqs::above(machine, floor),
            batch_max: config.commit_batch,
            queue_max: config.commit_queue_max,
            attempts: config.commit_attempts,
            gathered: Mutex::default(),
            wake: Notify::new(),
            fence: Mutex::new(fence),
        }
    }

    /// The fence in force.
    pub(crate) fn fence(&self) -> Fence {
        *self.fence.lock()
    }

    /// The next place in the owner's order, for a transaction of a handler's own.
    pub(crate) fn next_seq(&self) -> Seq {
        self.seqs.next(self.clock.wall())
    }

    /// Whether so much waits already that new requests should be refused.
    pub(crate) fn is_full(&self) -> bool {
        self.gathered.lock().units.len() >= self.queue_max
    }

    /// Hands a unit over. Its completion is called exactly once, by the committer's task or, when
    /// the committer has ended, here: not to be called under a lock that the completion takes.
    pub(crate) fn push(&self, unit: Unit) {
        if let Some(unit) = self.offer(unit) {
            (unit.complete)(Err(CommitFailure::Stopped));
        }
    }

    /// Hands a unit over; gives it back when the committer has ended. Never calls its completion.
    #[must_use = "a unit that comes back is to be completed"]
    pub(crate) fn offer(&self, unit: Unit) -> Option<Unit> {
        {
            let mut gathered = self.gathered.lock();
            if gathered.closed {
                return Some(unit);
            }
            gathered.units.push(unit);
        }
        self.wake.notify_one();
        None
    }

    /// Waits until everything handed over so far is durable or has failed, and its makers were told.
    /// Cancel safe.
    pub(crate) async fn flushed(&self) {
        let (tell, told) = oneshot::channel();
        self.push(Unit::new(Writes::default(), Box::new(move |_| drop(tell))));
        // Nothing is sent: the completion drops its end, whatever became of the unit.
        let _: Result<(), _> = told.await;
    }

    /// Raises the fence between two transactions, so that a transaction whose outcome is unknown
    /// can no longer commit. Cancel safe: the fence may be raised all the same.
    pub(crate) async fn raise_fence(&self) -> Result<Fence, StorageError> {
        let (raised, wait) = oneshot::channel();
        {
            let mut gathered = self.gathered.lock();
            if gathered.closed {
                return Err(StorageError::Fenced { incarnation: self.incarnation() });
            }
            gathered.raises.push(raised);
        }
        self.wake.notify_one();
        wait.await.unwrap_or(Err(StorageError::Fenced { incarnation: self.incarnation() }))
    }

    /// Takes no more units; what has gathered is still committed, then [`Committer::run`] ends.
    pub(crate) fn close(&self) {
        self.gathered.lock().closed = true;
        self.wake.notify_one();
    }

    /// Whether it has ended because another incarnation took over.
    pub(crate) fn is_fenced(&self) -> bool {
        self.gathered.lock().fenced
    }

    fn end_fenced(&self) {
        let units = {
            let mut gathered = self.gathered.lock();
            gathered.closed = true;
            gathered.fenced = true;
            std::mem::take(&mut gathered.units)
        };
        fail_all(units, &CommitFailure::Stopped);
    }

    fn incarnation(&self) -> u64 {
        self.fence().incarnation.as_u64()
    }

    /// Commits until closed. To be run by one task; must not be dropped before it ends, or the
    /// completions of the transaction in flight are never called.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            let (units, raises, closed) = self.take();
            if !raises.is_empty() {
                let fence = self.raise().await;
                for raised in raises {
                    // A requester that is gone needs no answer.
                    let _ = raised.send(fence.clone());
                }
            }
            if !units.is_empty() {
                self.commit(units).await;
            } else if closed {
                return;
            } else {
                self.wake.notified().await;
            }
        }
    }

    fn take(&self) -> (Vec<Unit>, Vec<oneshot::Sender<Result<Fence, StorageError>>>, bool) {
        let mut gathered = self.gathered.lock();
        let raises = std::mem::take(&mut gathered.raises);
        let units = if gathered.units.len() <= self.batch_max {
            let spare = Vec::with_capacity(gathered.units.len());
            std::mem::replace(&mut gathered.units, spare)
        } else {
            gathered.units.drain(..self.batch_max).collect()
        };
        let drained = gathered.units.is_empty() && units.is_empty();
        (units, raises, gathered.closed && drained)
    }

    /// Commits the units, in one transaction unless some must be left out.
    async fn commit(&self, mut units: Vec<Unit>) {
        loop {
            fail_superseded(&mut units);
            if units.is_empty() {
                return;
            }
            self.metrics.batch_units.record(units.len() as f64);
            let batch = Arc::new(self.gather(&mut units));
            let result =
                if batch.is_empty() { Ok(Committed::default()) } else { self.write(&batch).await };
            match result {
                Ok(committed) => {
                    complete(units, batch, committed);
                    return;
                }
                Err(error) => {
                    self.metrics.commit_failures.increment(1);
                    if matches!(error, StorageError::Fenced { .. }) {
                        tracing::error!(%error, "this runner ends");
                        self.end_fenced();
                        fail_all(units, &CommitFailure::Stopped);
                        return;
                    }
                    tracing::warn!(%error, units = units.len(), "a commit failed");
                    let Some(left_out) = fail_one(&mut units, &error) else {
                        fail_all(units, &CommitFailure::Storage(error));
                        return;
                    };
                    give_back(&mut units, batch, left_out);
                }
            }
        }
    }

    /// Puts the units' writes into one batch; the rows of accepts and states move there.
    fn gather(&self, units: &mut [Unit]) -> Batch {
        let now = self.clock.wall();
        let mut batch = Batch::default();
        let mut state_at: HashMap<StateKey, usize> = HashMap::new();
        for unit in units {
            let writes = &mut unit.writes;
            unit.accepts = writes.accepts.len();
            for mut row in writes.accepts.drain(..) {
                row.seq = self.seqs.next(now);
                batch.accepts.push(row);
            }
            batch.outcomes.extend(writes.outcome.clone());
            batch.attempts.extend(writes.attempt.clone());
            batch.dead.extend(writes.dead.clone());
            let Some(state) = writes.state.clone() else { continue };
            match state_at.get(&state.key) {
                // A later change of the same batch: from where the first began to where this ends.
                Some(&at) => {
                    let earlier = &mut batch.states[at];
                    earlier.to = state.to;
                    earlier.payload = state.payload;
                    earlier.epoch = state.epoch;
                }
                None => {
                    state_at.insert(state.key.clone(), batch.states.len());
                    batch.states.push(state);
                }
            }
        }
        batch
    }

    /// Writes a batch until its fate is known: an unknown outcome is settled by raising the fence
    /// and writing the same batch again, a sure failure is tried again a few times.
    async fn write(&self, batch: &Arc<Batch>) -> Result<Committed, StorageError> {
        let mut failures = 0;
        let mut wait = RETRY_WAIT_MIN;
        loop {
            let started = self.clock.now();
            let result = self.storage.commit(self.fence(), batch.clone()).await;
            let error = match result {
                Ok(committed) => {
                    self.metrics.commits.increment(1);
                    self.metrics.commit_seconds.record((self.clock.now() - started).as_secs_f64());
                    return Ok(committed);
                }
                Err(error) => error,
            };
            match &error {
                StorageError::UnknownOutcome { .. } => {
                    tracing::warn!(%error, "raising the fence to learn a commit's outcome");
                    self.raise().await?;
                }
                StorageError::Unavailable { .. } => {
                    failures += 1;
                    if failures >= self.attempts {
                        return Err(error);
                    }
                    self.clock.sleep(wait).await;
                    wait = (wait * 2).min(RETRY_WAIT_MAX);
                }
                _ => return Err(error),
            }
        }
    }

    /// Raises the fence; goes on until the storage answers, since nothing may be written before.
    async fn raise(&self) -> Result<Fence, StorageError> {
        let from = self.fence();
        let mut wait = RETRY_WAIT_MIN;
        loop {
            match self.storage.raise_fence(from).await {
                Ok(fence) => {
                    *self.fence.lock() = fence;
                    return Ok(fence);
                }
                Err(
                    error
                    @ (StorageError::Unavailable { .. } | StorageError::UnknownOutcome { .. }),
                ) => {
                    tracing::warn!(%error, "the fence could not be raised, trying again");
                    self.clock.sleep(wait).await;
                    wait = (wait * 2).min(RETRY_WAIT_MAX);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Fails the units whose instance has moved on, in their order.
fn fail_superseded(units: &mut Vec<Unit>) {
    if units.iter().any(Unit::is_superseded) {
        let (stale, good) = std::mem::take(units).into_iter().partition(Unit::is_superseded);
        *units = good;
        fail_all(stale, &CommitFailure::Superseded);
    }
}

fn fail_all(units: Vec<Unit>, failure: &CommitFailure) {
    for unit in units {
        let failure =
            if unit.is_superseded() { CommitFailure::Superseded } else { failure.clone() };
        (unit.complete)(Err(failure));
    }
}

/// Fails the one entity that a conflict names, so that its neighbours are not harmed. Returns which
/// rows to accept were its own, or `None` where no unit is to blame.
fn fail_one(units: &mut Vec<Unit>, error: &StorageError) -> Option<Range<usize>> {
    let StorageError::StateConflict { entity_type, entity_id, .. } = error else { return None };
    let at = units.iter().position(|unit| {
        let key = unit.writes.state.as_ref().map(|state| &state.key);
        key.is_some_and(|key| key.entity_type == *entity_type && key.entity_id == *entity_id)
    })?;
    let before: usize = units[..at].iter().map(|unit| unit.accepts).sum();
    let unit = units.remove(at);
    let own = before..before + unit.accepts;
    (unit.complete)(Err(CommitFailure::Storage(error.clone())));
    Some(own)
}

/// After a failed attempt: the rows to accept return to the units that are left.
fn give_back(units: &mut [Unit], batch: Arc<Batch>, left_out: Range<usize>) {
    let rows = rows_of(batch).into_iter().enumerate();
    let mut rows = rows.filter(|(at, _)| !left_out.contains(at)).map(|(_, row)| row);
    for unit in units {
        unit.writes.accepts.extend(rows.by_ref().take(unit.accepts));
    }
}

/// Tells every unit that it is durable.
fn complete(units: Vec<Unit>, batch: Arc<Batch>, committed: Committed) {
    let mut accepts = rows_of(batch).into_iter().zip(committed.accepts);
    for unit in units {
        let mine = accepts.by_ref().take(unit.accepts).collect();
        (unit.complete)(Ok(mine));
    }
}

fn rows_of(batch: Arc<Batch>) -> Vec<RequestRow> {
    Arc::try_unwrap(batch).map_or_else(|shared| shared.accepts.clone(), |batch| batch.accepts)
}
