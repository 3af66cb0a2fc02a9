//! Explicit cancels of persisted requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context as TaskContext, Poll};

use futures_util::task::AtomicWaker;
use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::contract::Serves;
use super::failure::not_committed;
use super::job::Job;
use super::origin::try_to_record;
use super::remind::ended;
use super::shared::Shared;
use super::slot::{Slot, Start};
use crate::commit::{CommitFailure, Rare, Unit, Writes};
use crate::error::ClusterError;
use crate::id::{EntityId, RequestId, Seq};
use crate::storage::{FoundRequest, OutcomeKind, OutcomeRow, StorageError, StoredOutcome};

/// What a cancel came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cancelled {
    /// The request has ended without its handler: its outcome is `Interrupted`, and no change of
    /// it remains.
    Interrupted,
    /// It had ended before, or its handler could not be stopped and has ended by itself: the
    /// outcome is the handler's.
    Completed,
}

/// Who wants which requests to end.
///
/// Invariant: a request's `Interrupted` is written by one side only. While the request is out of
/// its mailbox that is its run, which sees that it was asked for; else it is who asks, and a run
/// that would start meanwhile does not.
#[derive(Debug, Default)]
pub(crate) struct Cancels {
    /// How many requests are asked for or can be told so: mostly none, which spares the lock.
    count: AtomicUsize,
    requests: Mutex<HashMap<RequestId, Request>>,
}

#[derive(Debug, Default)]
struct Request {
    /// How many ask.
    asked: u32,
    /// One who asks writes the outcome.
    written: bool,
    /// The suspended handler, to be told.
    running: Option<Arc<Signal>>,
}

impl Request {
    fn is_unused(&self) -> bool {
        self.asked == 0 && self.running.is_none()
    }
}

#[derive(Debug, Default)]
struct Signal {
    asked: AtomicBool,
    handler: AtomicWaker,
    /// Who waits inside of the handler.
    watcher: tokio::sync::Notify,
}

/// What a run is to do about a cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    No,
    /// End, with `Interrupted` as the outcome.
    End,
    /// End without a word: the outcome is being written.
    Leave,
}

impl Cancels {
    /// Whether somebody wants the request to end. Costs one atomic read when nothing is cancelled.
    pub(super) fn asked(&self, request: RequestId) -> Asked {
        if self.count.load(Ordering::SeqCst) == 0 {
            return Asked::No;
        }
        match self.requests.lock().get(&request) {
            Some(known) if known.asked > 0 && known.written => Asked::Leave,
            Some(known) if known.asked > 0 => Asked::End,
            _ => Asked::No,
        }
    }

    fn change<R>(&self, request: RequestId, change: impl FnOnce(&mut Request) -> R) -> R {
        let mut requests = self.requests.lock();
        let known = requests.entry(request).or_default();
        let changed = change(known);
        if known.is_unused() {
            requests.remove(&request);
        }
        self.count.store(requests.len(), Ordering::SeqCst);
        changed
    }

    /// Asks for the request's end for as long as the guard lives.
    fn ask(shared: &Arc<Shared>, request: RequestId) -> Asking {
        let signal = shared.cancels.change(request, |known| {
            known.asked += 1;
            known.running.clone()
        });
        if let Some(signal) = signal {
            signal.asked.store(true, Ordering::SeqCst);
            signal.handler.wake();
            signal.watcher.notify_waiters();
        }
        Asking { shared: shared.clone(), request }
    }
}

/// Held by who asks.
struct Asking {
    shared: Arc<Shared>,
    request: RequestId,
}

impl Asking {
    /// From now on a run that would start does not.
    fn writes(&self) {
        self.shared.cancels.change(self.request, |known| known.written = true);
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.shared.cancels.change(self.request, |known| {
            known.asked -= 1;
            known.written &= known.asked > 0;
        });
    }
}

/// Held by a suspended handler of a persisted request, so that it can be told.
pub(super) struct Cancellable {
    shared: Arc<Shared>,
    request: RequestId,
    signal: Arc<Signal>,
}

impl Cancellable {
    pub(super) fn new(shared: &Arc<Shared>, request: RequestId) -> Self {
        let signal: Arc<Signal> = Arc::default();
        let asked = shared.cancels.change(request, |known| {
            known.running = Some(signal.clone());
            known.asked > 0
        });
        signal.asked.store(asked, Ordering::SeqCst);
        Cancellable { shared: shared.clone(), request, signal }
    }

    /// Resolves when the request shall end.
    pub(super) fn poll_asked(&self, cx: &mut TaskContext<'_>) -> Poll<()> {
        self.signal.handler.register(cx.waker());
        match self.signal.asked.load(Ordering::SeqCst) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

impl Drop for Cancellable {
    fn drop(&mut self) {
        // Who goes on with the request may have taken its place.
        let is_own = |running: &mut Arc<Signal>| Arc::ptr_eq(running, &self.signal);
        self.shared.cancels.change(self.request, |known| _ = known.running.take_if(is_own));
    }
}

/// Waits until somebody wants the request to end; for ever if nobody does. Only while its handler
/// is suspended or about to be.
pub(super) async fn cancelled(shared: &Shared, request: RequestId) {
    loop {
        let signal = shared.cancels.requests.lock().get(&request).and_then(|r| r.running.clone());
        let Some(signal) = signal else {
            // The first poll, before the handler is known as suspended.
            tokio::task::yield_now().await;
            continue;
        };
        let mut watched = std::pin::pin!(signal.watcher.notified());
        watched.as_mut().enable();
        if signal.asked.load(Ordering::SeqCst) {
            return;
        }
        watched.await;
    }
}

/// Tells who waited for a request that has left its mailbox.
pub(crate) type Tell = Box<dyn FnOnce(ClusterError) + Send>;

/// Where a request is that shall end.
pub(crate) enum Whereabouts {
    /// It runs or is being committed: its run sees that it shall end.
    Out,
    /// It was in the mailbox.
    Taken(Tell),
    /// It is in the storage, or on its way from there.
    Stored,
}

fn tell_of<T: Serves>(job: Box<dyn Job<T>>) -> Tell {
    Box::new(move |why| Job::<T>::displace(job, why))
}

impl<T: Serves> Slot<T> {
    /// A request was ended by who has cancelled it: what is on its way brings it no more, and what
    /// waits for it goes on. Who waits in its name, if it was in the mailbox.
    pub(super) fn cancelled(self: &Arc<Self>, request: Seq) -> Option<Tell> {
        let taken = {
            let mut inner = self.lock();
            inner.is_back(request);
            inner.mailbox.as_mut().and_then(|mailbox| {
                if let Some(spill) = &mut mailbox.spill {
                    spill.ended.push(request);
                }
                mailbox.take_if(|job| job.seq() == Some(request)).pop_front()
            })
        };
        if self.kind.limits.strict_order {
            self.start_waiting(Start::Task);
        }
        taken.map(tell_of)
    }

    /// Takes a request out of the mailbox, if it is there.
    pub(super) fn take(self: &Arc<Self>, request: Seq) -> Whereabouts {
        let taken = {
            let mut inner = self.lock();
            if inner.is_out(request) {
                return Whereabouts::Out;
            }
            let mailbox = inner.mailbox.as_mut();
            mailbox.and_then(|m| m.take_if(|job| job.seq() == Some(request)).pop_front())
        };
        match taken {
            Some(job) => Whereabouts::Taken(tell_of(job)),
            None => Whereabouts::Stored,
        }
    }
}

impl Shared {
    fn take_request(&self, entity_type: &str, id: &EntityId, request: Seq) -> Whereabouts {
        match self.kind_named(entity_type) {
            Some(kind) => kind.take(id, request),
            None => Whereabouts::Stored,
        }
    }

    /// Where a request is; takes it from its mailbox.
    fn whereabouts(&self, found: &FoundRequest) -> Whereabouts {
        let row = &found.request;
        match found.held {
            None => self.take_request(&row.entity_type, &row.entity_id, row.seq),
            // Where order is strict others wait for it as for one that runs.
            Some(_) => Whereabouts::Stored,
        }
    }
}

/// Cancels a persisted request. Goes on when the caller is dropped.
pub(crate) async fn cancel(
    shared: &Arc<Shared>,
    request: RequestId,
) -> Result<Cancelled, ClusterError> {
    let (tell, told) = oneshot::channel();
    let runner = shared.clone();
    shared.tasks.spawn_waiting(async move {
        // Nobody may wait any more.
        let _ = tell.send(cancel_to_end(&runner, request).await);
    });
    told.await.unwrap_or(Err(ClusterError::ShuttingDown))
}

async fn cancel_to_end(
    shared: &Arc<Shared>,
    request: RequestId,
) -> Result<Cancelled, ClusterError> {
    let asking = Cancels::ask(shared, request);
    loop {
        shared.gate.check(true)?;
        // Wait first, then look: an end that comes in between is seen twice, never missed.
        let told = shared.waiters.wait(request, None);
        let found = find(shared, request).await?;
        if let Some(outcome) = found.outcome {
            return Ok(of_outcome(outcome.kind));
        }
        let row = &found.request;
        let taken = match shared.whereabouts(&found) {
            Whereabouts::Out => {
                shared.alarms.hurry(row.seq);
                if let Ok(Ok(outcome)) = told.await {
                    return Ok(of_outcome(outcome.kind));
                }
                // It is a dead letter now, or held, or will run again.
                continue;
            }
            Whereabouts::Taken(tell) => Some(tell),
            Whereabouts::Stored => None,
        };
        asking.writes();
        match end(shared, &found).await {
            Ok(late) => taken.into_iter().chain(late).for_each(|t| t(ClusterError::Interrupted)),
            Err(error) => {
                taken.into_iter().for_each(|tell| tell(error.clone()));
                return Err(error);
            }
        }
        shared.waiters.tell(request, || Ok(StoredOutcome::interrupted()));
        // The first outcome holds: it may have been another.
        let outcome = find(shared, request).await?.outcome;
        if let Some(StoredOutcome { kind: how @ OutcomeKind::Interrupted, .. }) = outcome {
            let kind = shared.kind_named(&found.request.entity_type);
            kind.iter().for_each(|kind| kind.metrics().outcome_stored(how));
        }
        return Ok(outcome.map_or(Cancelled::Interrupted, |outcome| of_outcome(outcome.kind)));
    }
}

fn of_outcome(kind: OutcomeKind) -> Cancelled {
    match kind {
        OutcomeKind::Interrupted => Cancelled::Interrupted,
        _ => Cancelled::Completed,
    }
}

/// Writes that a request that is not out has ended, however often the storage refuses: it has left
/// its mailbox, and would be lost until the next start. Whom to tell, if it has come there since.
async fn end(shared: &Arc<Shared>, found: &FoundRequest) -> Result<Option<Tell>, ClusterError> {
    let row = found.request.clone();
    let outcome = OutcomeRow {
        seq: row.seq,
        shard: row.shard,
        epoch: shared.epoch_of(row.shard).unwrap_or(row.epoch),
        outcome: StoredOutcome::interrupted(),
        finished_at: shared.clock.wall(),
        elsewhere: true,
    };
    let (tell, told) = oneshot::channel();
    let reminders = ended(shared, &row);
    let rare = Rare { reminders, ..Rare::default() };
    let writes = Writes { outcome: Some(outcome), ..Writes::rare(rare) };
    let runner = shared.clone();
    let then = move |result: Result<(), CommitFailure>| {
        let ended = |()| {
            // In this order: what is on its way is stopped here, or is in the mailbox then.
            runner.request_ended(row.seq);
            let kind = runner.kind_named(&row.entity_type);
            kind.and_then(|kind| kind.cancelled(&row.entity_id, row.seq))
        };
        // Nobody waits for it when the runner ends.
        let _ = tell.send(result.map(ended));
    };
    try_to_record(shared.clone(), 1, None, writes, Box::new(then));
    let result = told.await.unwrap_or(Err(CommitFailure::Stopped));
    result.map_err(|failure| not_committed(&failure))
}

/// Commits writes that belong to no instance.
pub(crate) async fn write(shared: &Arc<Shared>, writes: Writes) -> Result<(), ClusterError> {
    let (tell, told) = oneshot::channel();
    let complete = Box::new(move |result: Result<_, CommitFailure>| {
        // Nobody waits for it when the runner ends.
        let _ = tell.send(result.map(|_: Vec<_>| ()));
    });
    shared.committer.push(Unit::new(writes, complete));
    let result = told.await.unwrap_or(Err(CommitFailure::Stopped));
    result.map_err(|failure| not_committed(&failure))
}

/// The stored request.
///
/// # Errors
/// `Retired` when there is none (any more).
pub(crate) async fn find(
    shared: &Shared,
    request: RequestId,
) -> Result<FoundRequest, ClusterError> {
    let failed = |error: StorageError| ClusterError::Persistence { source: Arc::new(error) };
    let found = shared.storage.find_requests(vec![request]).await.map_err(failed)?;
    found.into_iter().flatten().next().ok_or(ClusterError::Retired { request })
}

/// Polls the handler's cancel, if it has one.
pub(super) fn is_asked(cancel: Option<&Cancellable>, cx: &mut TaskContext<'_>) -> bool {
    cancel.is_some_and(|cancel| cancel.poll_asked(cx).is_ready())
}
