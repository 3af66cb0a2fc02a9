//! Where a run comes from, and what its failure means.

use std::any::Any;
use std::sync::Arc;

use super::context::{Context, Nesting};
use super::contract::{Message, Serves};
use super::failure::{cut, not_committed, stored_failure, text};
use super::job::PersistedJob;
use super::method::Style;
use super::options::OnPanic;
use super::run::{Ran, To};
use super::shared::Shared;
use super::slot::Slot;
use crate::commit::{CommitFailure, Unit, Writes};
use crate::error::{ClusterError, panic_text};
use crate::storage::{
    AttemptWrite, DeadWrite, OutcomeRow, RequestRow, StorageError, StoredOutcome,
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
}

impl Stored {
    pub(super) fn new(row: RequestRow, attempts: u32, parent: Option<Context>) -> Self {
        Stored { row, attempts, parent, nesting: Nesting::None, transaction: false }
    }

    pub(super) fn outcome(&self, outcome: StoredOutcome, finished_at: Timestamp) -> OutcomeRow {
        let RequestRow { seq, shard, epoch, .. } = self.row;
        OutcomeRow { seq, shard, epoch, outcome, finished_at }
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
        panic: Box<dyn Any + Send>,
        to: To<M>,
    ) -> Ran<M> {
        slot.kind.metrics.panics.increment(1);
        let reason = panic_text(&*panic);
        let (entity, message) = (slot.address(), M::INFO.name);
        tracing::error!(%entity, message, reason, "a handler panicked");
        match self {
            Origin::Volatile => to.fail(defect::<T, M>(slot, 1, reason)),
            Origin::Persisted(mut stored) => {
                stored.attempts += 1;
                if slot.kind.limits.on_panic == OnPanic::Defect {
                    let error = defect::<T, M>(slot, stored.attempts, reason);
                    end_with_failure::<T, M, S>(slot, stored, error, to)
                } else {
                    count_attempt::<T, M, S>(slot, stored, reason, to)
                }
            }
        }
    }

    /// The handler's end was no outcome: trouble of the cluster.
    pub(super) fn retry<T: Serves, M: Message, S: Style<T, M>>(
        self,
        slot: &Arc<Slot<T>>,
        error: ClusterError,
        to: To<M>,
    ) -> Ran<M> {
        match self {
            Origin::Volatile => to.fail(error),
            Origin::Persisted(mut stored) => {
                stored.attempts += 1;
                count_attempt::<T, M, S>(slot, stored, text(&error), to)
            }
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
                    end_with_failure::<T, M, S>(slot, stored, error, to)
                }
                StorageError::Unavailable { .. } | StorageError::StateConflict { .. } => {
                    run_again::<T, M, S>(slot, stored, to)
                }
                _ => Origin::Persisted(stored).retry::<T, M, S>(slot, not_committed(failure), to),
            },
            (Origin::Persisted(stored), CommitFailure::Superseded) => {
                run_again::<T, M, S>(slot, stored, to)
            }
            (Origin::Persisted(_), CommitFailure::Stopped) => to.fail(ClusterError::ShuttingDown),
        }
    }
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
    error: ClusterError,
    to: To<M>,
) -> Ran<M> {
    let (to, ran) = to.later();
    let outcome = stored_failure(&error);
    let row = stored.outcome(outcome.clone(), slot.kind.shared.clock.wall());
    let writes = Writes { outcome: Some(row), ..Writes::default() };
    let ended = slot.clone();
    record(&slot.kind.shared, writes, move |recorded| match recorded {
        Recorded::Yes => {
            ended.request_ended(stored.row.seq);
            ended.kind.shared.waiters.tell(stored.row.id, || Ok(outcome.clone()));
            to.fail(error);
        }
        Recorded::Never(why) => _ = to.fail(why),
    });
    ran
}

/// Counts a failed attempt durably; then the request waits for its next one, or is given up.
fn count_attempt<T: Serves, M: Message, S: Style<T, M>>(
    slot: &Arc<Slot<T>>,
    stored: Box<Stored>,
    reason: String,
    to: To<M>,
) -> Ran<M> {
    let error = cut(&reason);
    let now = slot.kind.shared.clock.wall();
    let RequestRow { seq, shard, .. } = stored.row;
    let attempts = stored.attempts;
    if attempts >= slot.kind.limits.attempts {
        let dead = Some(DeadWrite { seq, shard, attempts, error, died_at: now });
        return give_up(slot, stored, Writes { dead, ..Writes::default() }, reason, to);
    }
    let (to, ran) = to.later();
    let retry_at = now.after(slot.kind.shared.config.backoff(attempts));
    let attempt = Some(AttemptWrite { seq, shard, attempts, retry_at, error });
    let later = slot.clone();
    let writes = Writes { attempt, ..Writes::default() };
    record(&slot.kind.shared, writes, move |recorded| match recorded {
        Recorded::Yes => {
            let job = Box::new(PersistedJob::<M, S>::new(stored, None, to));
            later.requeue_at(job, retry_at);
        }
        Recorded::Never(error) => _ = to.fail(error),
    });
    ran
}

/// Makes the request a dead letter. Its callers get `Defect`: a notice, not its outcome.
fn give_up<T: Serves, M: Message>(
    slot: &Arc<Slot<T>>,
    stored: Box<Stored>,
    writes: Writes,
    reason: String,
    to: To<M>,
) -> Ran<M> {
    let (to, ran) = to.later();
    let error = defect::<T, M>(slot, stored.attempts, reason);
    let dead = slot.clone();
    record(&slot.kind.shared, writes, move |recorded| match recorded {
        Recorded::Yes => {
            dead.request_ended(stored.row.seq);
            dead.kind.metrics.dead_letters.increment(1);
            dead.kind.shared.waiters.tell(stored.row.id, || Err(error.clone()));
            to.fail(error);
        }
        Recorded::Never(error) => _ = to.fail(error),
    });
    ran
}

/// Whether something was recorded.
enum Recorded {
    Yes,
    /// It stays in the storage as it was: the runner ends, or cannot write this.
    Never(ClusterError),
}

/// Records what became of a run, however often the storage refuses: the handler is not run again
/// for want of a record.
fn record(shared: &Arc<Shared>, writes: Writes, then: impl FnOnce(Recorded) + Send + 'static) {
    try_to_record(shared.clone(), 1, writes, Box::new(then));
}

fn try_to_record(
    shared: Arc<Shared>,
    attempt: u32,
    writes: Writes,
    then: Box<dyn FnOnce(Recorded) + Send>,
) {
    let committer = shared.committer.clone();
    let again = writes.clone();
    let complete = move |result: Result<_, CommitFailure>| match result {
        Ok(_) => then(Recorded::Yes),
        Err(CommitFailure::Storage(StorageError::Unavailable { .. })) => {
            let later = shared.clone();
            shared.alarms.arm(&shared.clock, shared.config.backoff(attempt), move || {
                try_to_record(later, attempt.saturating_add(1), again, then);
            });
        }
        Err(CommitFailure::Storage(
            StorageError::Fenced { .. } | StorageError::UnknownOutcome { .. },
        )) => then(Recorded::Never(ClusterError::ShuttingDown)),
        Err(failure) => then(Recorded::Never(not_committed(&failure))),
    };
    committer.push(Unit::new(writes, Box::new(complete)));
}
