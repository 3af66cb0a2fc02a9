//! Where a run comes from, and what its failure means.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use super::cancel::Asked;
use super::context::{Context, Nesting};
use super::contract::{Message, Serves};
use super::failure::{cut, not_committed, stored_failure};
use super::filter::GivenUp;
use super::job::{PersistedJob, wait_for_outcome};
use super::method::Style;
use super::options::{Access, OnPanic};
use super::remind::ended;
use super::run::{Ran, To};
use super::shared::Shared;
use super::slot::Slot;
use super::transaction::NoTransaction;
use crate::commit::{CommitFailure, Lineage, Rare, Unit, Writes};
use crate::error::{ClusterError, panic_text, text};
use crate::storage::{
    AttemptWrite, DeadWrite, OutcomeRow, PendingRequest, RequestRow, StorageError, StoredOutcome,
};
use crate::time::Timestamp;

/// A persisted request that has not ended.
pub(crate) struct Stored {
    pub(super) row: RequestRow,
    /// Failed attempts so far, as stored.
    pub(super) attempts: u32,
    /// The handler that waits for it, if one does.
    pub(super) parent: Option<Context>,
    pub(super) nesting: Nesting,
    /// It runs in the storage's own transaction.
    pub(super) transaction: bool,
    /// When it was due, if it was at a time.
    pub(super) due_at: Option<Timestamp>,
    /// It came here from its acceptance, and was not put off since: of what the storage keeps there
    /// is the request alone.
    pub(super) is_new: bool,
}

impl Stored {
    pub(super) fn new(row: RequestRow, attempts: u32, parent: Option<Context>) -> Self {
        let (nesting, transaction) = (Nesting::None, false);
        Stored { row, attempts, parent, nesting, transaction, due_at: None, is_new: false }
    }

    /// When it ends, if it does so now: later than it was due. So two ends of one request differ in
    /// their times, by which a redrive names the end that it undoes.
    fn ends_at(&self, now: Timestamp) -> Timestamp {
        if self.due_at == Some(now) { now.after(Duration::from_millis(1)) } else { now }
    }

    pub(super) fn outcome(&self, outcome: StoredOutcome, now: Timestamp) -> OutcomeRow {
        let finished_at = self.ends_at(now);
        let RequestRow { seq, shard, epoch, .. } = self.row;
        let elsewhere = !self.is_new;
        OutcomeRow { seq, shard, epoch, outcome, finished_at, elsewhere }
    }
}

/// An end of a handler that is no outcome.
pub(super) enum NoOutcome {
    /// It runs again.
    Retry(ClusterError),
    /// It does not run again, for this reason.
    GiveUp(String),
}

impl NoOutcome {
    /// Lets the request go the way that this end asks for.
    pub(super) fn tell<T: Serves, M: Message, S: Style<T, M>>(
        self,
        origin: Origin,
        slot: &Arc<Slot<T>>,
        base: Base,
        to: To<M>,
    ) -> Ran<M> {
        match self {
            NoOutcome::Retry(error) => origin.retry::<T, M, S>(slot, base, error, to),
            NoOutcome::GiveUp(reason) => origin.give_up::<T, M, S>(slot, base, reason, to),
        }
    }
}

/// Where a run comes from.
pub(crate) enum Origin {
    /// A call that is run at most once.
    Volatile,
    /// A stored request that is run until it has an outcome.
    Persisted(Box<Stored>),
}

impl Origin {
    /// The handler panicked; the instance was given up.
    pub(super) fn panicked<T: Serves, M: Message, S: Style<T, M>>(
        self,
        slot: &Arc<Slot<T>>,
        base: Base,
        panic: Box<dyn Any + Send>,
        to: To<M>,
    ) -> Ran<M> {
        slot.kind.metrics.panics.increment(1);
        let reason = panic_text(&*panic);
        let (entity, message) = (slot.address(), M::INFO.name);
        tracing::error!(%entity, method = message, reason, "a handler panicked");
        self.failed::<T, M, S>(slot, base, reason, to)
    }

    /// The handler has failed, as by a panic.
    pub(super) fn failed<T: Serves, M: Message, S: Style<T, M>>(
        self,
        slot: &Arc<Slot<T>>,
        base: Base,
        reason: String,
        to: To<M>,
    ) -> Ran<M> {
        match self {
            Origin::Volatile => fail_after(slot, base, defect::<T, M>(slot, 1, reason), to),
            Origin::Persisted(stored) => {
                if slot.kind.retry_of(M::INFO).on_panic == OnPanic::Defect {
                    let error = defect::<T, M>(slot, stored.attempts + 1, reason);
                    end_with_failure::<T, M, S>(slot, stored, base, error, to)
                } else {
                    count_attempt::<T, M, S>(slot, stored, base, reason, to)
                }
            }
        }
    }

    /// The handler's end was no outcome: trouble of the cluster.
    pub(super) fn retry<T: Serves, M: Message, S: Style<T, M>>(
        self,
        slot: &Arc<Slot<T>>,
        base: Base,
        error: ClusterError,
        to: To<M>,
    ) -> Ran<M> {
        match self {
            Origin::Volatile => fail_after(slot, base, error, to),
            // What is shut down is this runner: the next one runs it, as if it had not begun.
            Origin::Persisted(_)
                if matches!(error, ClusterError::ShuttingDown)
                    && !slot.kind.shared.gate.is_open() =>
            {
                to.fail(error)
            }
            // A mistake in the program, not trouble: no attempt could ever end better.
            Origin::Persisted(stored) if matches!(error, ClusterError::Reentrant { .. }) => {
                let error = defect::<T, M>(slot, stored.attempts + 1, text(&error));
                end_with_failure::<T, M, S>(slot, stored, base, error, to)
            }
            Origin::Persisted(stored) if NoTransaction::is_mistake(&error) => {
                bury::<T, M, S>(slot, stored, base, text(&error), to)
            }
            Origin::Persisted(stored) => {
                let (request, attempt) = (stored.row.id, stored.attempts + 1);
                let (entity, method, error) = (slot.address(), M::INFO.name, text(&error));
                tracing::warn!(%entity, method, %request, attempt, error, "a handler met trouble");
                count_attempt::<T, M, S>(slot, stored, base, error, to)
            }
        }
    }

    /// The handler's end was no outcome, and no run could end better.
    pub(super) fn give_up<T: Serves, M: Message, S: Style<T, M>>(
        self,
        slot: &Arc<Slot<T>>,
        base: Base,
        reason: String,
        to: To<M>,
    ) -> Ran<M> {
        match self {
            Origin::Volatile => fail_after(slot, base, defect::<T, M>(slot, 1, reason), to),
            Origin::Persisted(stored) => bury::<T, M, S>(slot, stored, base, reason, to),
        }
    }

    /// The run is void through no fault of its own: what it was built on was not committed, or it
    /// could not be committed itself.
    pub(super) fn void<T: Serves, M: Message, S: Style<T, M>>(
        self,
        slot: &Arc<Slot<T>>,
        failure: &CommitFailure,
        to: To<M>,
    ) -> Ran<M> {
        match (self, failure) {
            (Origin::Volatile, CommitFailure::Storage(StorageError::TooLarge { .. })) => {
                to.fail(not_committed(failure))
            }
            // Only the answer is void: another may be asked for.
            (Origin::Volatile, _) if M::INFO.fenced && M::INFO.access == Access::Shared => {
                to.fail(unconfirmed(failure))
            }
            (Origin::Volatile, _) => {
                let (address, message) = (slot.address(), M::INFO.name);
                to.fail(ClusterError::OutcomeUnknown { address, message })
            }
            (Origin::Persisted(stored), CommitFailure::Storage(error)) => match error {
                // Its next owner runs it.
                StorageError::Fenced { .. } | StorageError::UnknownOutcome { .. } => {
                    to.fail(ClusterError::ShuttingDown)
                }
                StorageError::TooLarge { .. } => {
                    let error = not_committed(failure);
                    end_with_failure::<T, M, S>(slot, stored, None, error, to)
                }
                StorageError::Unavailable { .. } | StorageError::StateConflict { .. } => {
                    run_again::<T, M, S>(slot, stored, to)
                }
                _ => {
                    let error = not_committed(failure);
                    Origin::Persisted(stored).retry::<T, M, S>(slot, None, error, to)
                }
            },
            (Origin::Persisted(stored), CommitFailure::Superseded) => {
                run_again::<T, M, S>(slot, stored, to)
            }
            (Origin::Persisted(_), CommitFailure::Stopped) => to.fail(ClusterError::ShuttingDown),
        }
    }
}

/// The error of a read whose owner was not confirmed.
fn unconfirmed(failure: &CommitFailure) -> ClusterError {
    match failure {
        CommitFailure::Storage(StorageError::Unavailable { .. }) => not_committed(failure),
        _ => ClusterError::ShuttingDown,
    }
}

/// The instance that a run was built on, if commits of it were under way when the run began: with
/// one of these the run is void, and nobody may hear what it has read.
pub(super) type Base = Option<(Arc<dyn Lineage>, u32)>;

/// Tells a volatile caller of a failure, once everything is durable that the failure may tell of.
fn fail_after<T: Serves, M: Message>(
    slot: &Arc<Slot<T>>,
    base: Base,
    error: ClusterError,
    to: To<M>,
) -> Ran<M> {
    let Some((line, generation)) = base else { return to.fail(error) };
    let (to, ran) = to.later();
    let (address, message) = (slot.address(), M::INFO.name);
    let complete = Box::new(move |result: Result<_, CommitFailure>| {
        let unknown = |_| ClusterError::OutcomeUnknown { address, message };
        to.fail(result.map_or_else(unknown, |_| error));
    });
    slot.kind.shared.committer.push(Unit::of(line, generation, Writes::default(), complete));
    ran
}

fn run_again<T: Serves, M: Message, S: Style<T, M>>(
    slot: &Arc<Slot<T>>,
    stored: Box<Stored>,
    to: To<M>,
) -> Ran<M> {
    let (to, ran) = to.later();
    slot.requeue(Box::new(PersistedJob::<M, S>::new(stored, None, to)));
    ran
}

pub(super) fn defect<T: Serves, M: Message>(
    slot: &Arc<Slot<T>>,
    attempts: u32,
    reason: String,
) -> ClusterError {
    let message = M::INFO.name.to_owned();
    ClusterError::Defect { address: slot.address(), message, attempts, reason }
}

/// Stores a cluster error as the request's outcome.
pub(super) fn end_with_failure<T: Serves, M: Message, S: Style<T, M>>(
    slot: &Arc<Slot<T>>,
    stored: Box<Stored>,
    base: Base,
    error: ClusterError,
    to: To<M>,
) -> Ran<M> {
    let outcome = stored_failure(&error);
    end_with::<T, M, S>(slot, stored, base, outcome, error, to)
}

/// The request was cancelled.
pub(super) fn end_interrupted<T: Serves, M: Message, S: Style<T, M>>(
    slot: &Arc<Slot<T>>,
    stored: Box<Stored>,
    base: Base,
    to: To<M>,
) -> Ran<M> {
    end_with::<T, M, S>(
        slot,
        stored,
        base,
        StoredOutcome::interrupted(),
        ClusterError::Interrupted,
        to,
    )
}

fn end_with<T: Serves, M: Message, S: Style<T, M>>(
    slot: &Arc<Slot<T>>,
    stored: Box<Stored>,
    base: Base,
    outcome: StoredOutcome,
    error: ClusterError,
    to: To<M>,
) -> Ran<M> {
    let row = stored.outcome(outcome.clone(), slot.kind.shared.clock.wall());
    let reminders = ended(&slot.kind.shared, &stored.row);
    let rare = Rare { reminders, ..Rare::default() };
    let writes = Writes { outcome: Some(row), ..Writes::rare(rare) };
    record::<T, M, S>(slot, stored, base, writes, to, move |slot, stored, to| {
        slot.request_ended(stored.row.seq);
        slot.kind.metrics.outcome_stored(outcome.kind);
        slot.kind.shared.waiters.tell(stored.row.id, || Ok(outcome.clone()));
        to.fail(error);
    })
}

/// Counts a failed attempt durably; then the request waits for its next one, or is given up.
fn count_attempt<T: Serves, M: Message, S: Style<T, M>>(
    slot: &Arc<Slot<T>>,
    stored: Box<Stored>,
    base: Base,
    reason: String,
    to: To<M>,
) -> Ran<M> {
    let (attempts, retry) = (stored.attempts + 1, slot.kind.retry_of(M::INFO));
    if attempts >= retry.attempts {
        return bury::<T, M, S>(slot, stored, base, reason, to);
    }
    slot.kind.metrics.retries.increment(1);
    let pause = retry.backoff(attempts);
    put_off::<T, M, S>(slot, stored, base, Next { attempts, pause, error: cut(&reason) }, to)
}

/// The request cannot run now through no fault of its own: it waits as after a failed attempt, and
/// none is counted. The longer it has waited, the longer is the next pause, as in a back-off.
pub(super) fn wait_for_room<T: Serves, M: Message, S: Style<T, M>>(
    slot: &Arc<Slot<T>>,
    stored: Box<Stored>,
    base: Base,
    why: &ClusterError,
    to: To<M>,
) -> Ran<M> {
    let retry = slot.kind.retry_of(M::INFO);
    let since = stored.row.due_at.unwrap_or(stored.row.accepted_at);
    let waited = slot.kind.shared.clock.wall().since(since);
    let pause = waited.max(retry.backoff_min).min(retry.backoff_max);
    let next = Next { attempts: stored.attempts, pause, error: cut(&text(why)) };
    put_off::<T, M, S>(slot, stored, base, next, to)
}

/// When a request is tried next.
struct Next {
    /// Failed attempts by then.
    attempts: u32,
    pause: Duration,
    /// Why not now, for people.
    error: String,
}

/// Stores durably that a request runs later; those behind it go on, or wait by strict order.
fn put_off<T: Serves, M: Message, S: Style<T, M>>(
    slot: &Arc<Slot<T>>,
    stored: Box<Stored>,
    base: Base,
    next: Next,
    to: To<M>,
) -> Ran<M> {
    let Next { attempts, pause, error } = next;
    let now = slot.kind.shared.clock.wall();
    let RequestRow { seq, shard, .. } = stored.row;
    let epoch = slot.kind.shards.epoch(shard);
    let retry_at = now.after(pause);
    let in_order = slot.kind.limits.strict_order;
    let attempt = Some(AttemptWrite { seq, shard, epoch, attempts, retry_at, in_order, error });
    let writes = Writes::rare(Rare { attempt, ..Rare::default() });
    slot.kind.shared.schedule.expect(seq);
    record::<T, M, S>(slot, stored, base, writes, to, move |slot, mut stored, to| {
        if slot.is_cleared(seq) {
            slot.request_ended(seq);
            to.fail(ClusterError::Interrupted);
            return;
        }
        if in_order {
            stored.attempts = attempts;
            stored.is_new = false;
            let job = PersistedJob::<M, S>::new(stored, None, to);
            return slot.requeue_at(Box::new(job), retry_at);
        }
        // It is due like any other that is scheduled; its callers wait for whatever run ends it.
        let Stored { row: request, parent, .. } = *stored;
        wait_for_outcome::<T, M>(slot, (request.seq, request.id), parent, to);
        slot.request_ended(seq);
        // One that shall end does so at once, by being started.
        let asked = slot.kind.shared.cancels.asked(request.id) != Asked::No;
        let due_at = Some(if asked { now } else { retry_at });
        slot.kind.shared.schedule.add(PendingRequest { request, attempts, due_at });
    })
}

/// Makes the request a dead letter. Its callers get `Defect`: a notice, not its outcome.
fn bury<T: Serves, M: Message, S: Style<T, M>>(
    slot: &Arc<Slot<T>>,
    stored: Box<Stored>,
    base: Base,
    reason: String,
    to: To<M>,
) -> Ran<M> {
    let RequestRow { seq, shard, .. } = stored.row;
    let epoch = slot.kind.shards.epoch(shard);
    let attempts = stored.attempts + 1;
    let died_at = stored.ends_at(slot.kind.shared.clock.wall());
    let dead = Some(DeadWrite { seq, shard, epoch, attempts, error: cut(&reason), died_at });
    let reminders = ended(&slot.kind.shared, &stored.row);
    let writes = Writes::rare(Rare { dead, reminders, ..Rare::default() });
    let error = defect::<T, M>(slot, attempts, reason.clone());
    record::<T, M, S>(slot, stored, base, writes, to, move |slot, stored, to| {
        slot.request_ended(stored.row.seq);
        slot.kind.metrics.dead_letters.increment(1);
        let (request, entity) = (stored.row.id, &slot.address());
        let method = M::INFO.name;
        tracing::error!(
            %request, %entity, method, attempts, error = reason, "a request is a dead letter now"
        );
        let given_up = GivenUp { request, entity, message: M::INFO.name, attempts, error: &reason };
        slot.kind.shared.given_up.iter().for_each(|hook| hook.call(&given_up));
        slot.kind.shared.waiters.tell(stored.row.id, || Err(error.clone()));
        to.fail(error);
    })
}

/// Records what became of a run, however often the storage refuses: the handler is not run again
/// for want of a record. It is when the run turns out to be void.
pub(super) fn record<T: Serves, M: Message, S: Style<T, M>>(
    slot: &Arc<Slot<T>>,
    stored: Box<Stored>,
    base: Base,
    writes: Writes,
    to: To<M>,
    recorded: impl FnOnce(&Arc<Slot<T>>, Box<Stored>, To<M>) + Send + 'static,
) -> Ran<M> {
    let (to, ran) = to.later();
    let run = slot.clone();
    let then = move |result: Result<(), CommitFailure>| match result {
        Ok(()) => recorded(&run, stored, to),
        Err(CommitFailure::Superseded) => _ = run_again::<T, M, S>(&run, stored, to),
        // It stays in the storage as it was: the runner ends, or cannot write this.
        Err(CommitFailure::Stopped)
        | Err(CommitFailure::Storage(
            StorageError::Fenced { .. } | StorageError::UnknownOutcome { .. },
        )) => _ = to.fail(ClusterError::ShuttingDown),
        Err(failure) => _ = to.fail(not_committed(&failure)),
    };
    try_to_record(slot.kind.shared.clone(), 1, base, writes, Box::new(then));
    ran
}

pub(super) fn try_to_record(
    shared: Arc<Shared>,
    attempt: u32,
    base: Base,
    writes: Writes,
    then: Box<dyn FnOnce(Result<(), CommitFailure>) + Send>,
) {
    let committer = shared.committer.clone();
    let (again, line) = (writes.clone(), base.clone());
    let complete = Box::new(move |result: Result<_, CommitFailure>| match result {
        Err(CommitFailure::Storage(StorageError::Unavailable { .. })) => {
            let later = shared.clone();
            shared.alarms.arm(&shared.clock, shared.config.backoff(attempt), move || {
                try_to_record(later, attempt.saturating_add(1), line, again, then);
            });
        }
        result => then(result.map(|_| ())),
    });
    committer.push(match base {
        Some((line, generation)) => Unit::of(line, generation, writes, complete),
        None => Unit::new(writes, complete),
    });
}
