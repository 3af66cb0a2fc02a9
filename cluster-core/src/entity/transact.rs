//! Handlers that run in the storage's own transaction.

use std::any::Any;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::oneshot;
use tracing::Instrument;

use super::cancel::{Cancellable, is_asked};
use super::conclude::{Afterwards, Ending, settle, writes_of};
use super::context::Context;
use super::contract::{Message, Serves};
use super::failure::not_committed;
use super::intake::deliver_sent;
use super::method::{ReturnOf, Style};
use super::origin::{Origin, Stored, end_interrupted, wait_for_room};
use super::run::{Surroundings, To, poll_handler};
use super::shared::Shared;
use super::slot::Slot;
use super::transaction::Opened;
use super::turn::Turn;
use crate::commit::{CommitFailure, Lane, Lineage, Unit, Writes};
use crate::error::{ClusterError, text};
use crate::id::RequestId;
use crate::storage::{Accepted, Batch, RequestRow, StorageError};

/// The pause between two attempts to learn what became of a lost commit.
const LOOK_UP_RETRY: Duration = Duration::from_millis(50);

/// Runs a handler that may open the storage's transaction. Nothing of the entity is uncommitted
/// when it starts, and nothing of the entity runs until its fate is known.
pub(super) fn run_in_transaction<T: Serves, M: Message, S: Style<T, M>>(
    turn: Turn<T>,
    message: M,
    around: Surroundings,
    stored: Box<Stored>,
    to: To<M>,
) {
    let slot = turn.slot.clone();
    let origin = Origin::Persisted(stored);
    let span = around.trace.handler_span(&slot, M::INFO, &origin);
    let started = slot.kind.started(M::INFO);
    let ctx = Context::of::<T, M>(&turn, around, &origin);
    let Origin::Persisted(stored) = origin else { unreachable!("made two lines above") };
    let tasks = slot.kind.clone();
    tasks.shared.tasks.spawn(async move {
        let mut handler = Box::pin({
            let ctx = ctx.running();
            async move {
                let mut turn = turn;
                let returned = S::future(message, turn.entity(), &ctx).await;
                (turn, returned)
            }
        });
        let cancel = Cancellable::new(&slot.kind.shared, stored.row.id);
        let stops = (!M::INFO.uninterruptible).then_some(&cancel);
        let run = run_to_end(&ctx, handler.as_mut(), stops);
        let ended = run.instrument(span.into_span()).await;
        slot.kind.ended(M::INFO, started);
        match ended {
            Ended::Returned((turn, returned)) => {
                drop(handler);
                end::<T, M, S>(turn, returned, &ctx, stored, to).await;
            }
            Ended::Panicked(panic) => {
                drop(handler);
                abandon(&ctx).await;
                Origin::Persisted(stored).panicked::<T, M, S>(&slot, None, panic, to);
            }
            Ended::Cancelled => {
                drop(handler);
                abandon(&ctx).await;
                end_interrupted::<T, M, S>(&slot, stored, None, to);
            }
            Ended::TooLong(limit) => {
                drop(handler);
                abandon(&ctx).await;
                let error = too_long(limit);
                Origin::Persisted(stored).retry::<T, M, S>(&slot, None, error, to);
            }
        }
    });
}

/// How a handler with its own transaction ended.
enum Ended<R> {
    Returned(R),
    Panicked(Box<dyn Any + Send>),
    /// Its request was cancelled.
    Cancelled,
    /// It held the transaction for longer than this.
    TooLong(Duration),
}

/// Polls the handler to its end. Its time is limited from when the transaction is open.
async fn run_to_end<F: Future>(
    ctx: &Context,
    mut handler: Pin<&mut F>,
    cancel: Option<&Cancellable>,
) -> Ended<F::Output> {
    let shared = ctx.shared();
    let limit = shared.config.transaction_limit;
    let mut over = None;
    poll_fn(|cx| {
        let polled = poll_handler(ctx, handler.as_mut(), cx);
        match polled {
            Err(panic) => return Poll::Ready(Ended::Panicked(panic)),
            // It may hear of its cancel, but not make it undone.
            Ok(_) if is_asked(cancel, cx) => return Poll::Ready(Ended::Cancelled),
            Ok(Poll::Ready(returned)) => return Poll::Ready(Ended::Returned(returned)),
            Ok(Poll::Pending) => {}
        }
        if !ctx.0.transaction.is_open() {
            return Poll::Pending;
        }
        let over = over.get_or_insert_with(|| shared.clock.sleep(limit));
        Pin::new(over).poll(cx).map(|()| Ended::TooLong(limit))
    })
    .await
}

fn too_long(limit: Duration) -> ClusterError {
    let ms = |time: Duration| usize::try_from(time.as_millis()).unwrap_or(usize::MAX);
    ClusterError::LimitExceeded {
        limit: "transaction_limit",
        what: "the time of an open transaction, in ms,".to_owned(),
        max: ms(limit),
        actual: ms(limit),
    }
}

/// Rolls back what a handler has opened that has failed.
async fn abandon(ctx: &Context) {
    if let Ok(opened) = ctx.0.transaction.take() {
        abandon_opened(opened).await;
    }
}

async fn abandon_opened(opened: Option<Opened>) {
    if let Some(Opened { transaction, lane }) = opened {
        transaction.abandon().await;
        drop(lane);
    }
}

/// Rolls back what a handler has opened whose outcome is an error.
async fn roll_back(opened: Option<Opened>) {
    if let Some(Opened { transaction, lane }) = opened {
        transaction.rollback().await;
        drop(lane);
    }
}

/// The handler has returned: all of it commits, or none.
async fn end<T: Serves, M: Message, S: Style<T, M>>(
    mut turn: Turn<T>,
    returned: ReturnOf<M>,
    ctx: &Context,
    stored: Box<Stored>,
    to: To<M>,
) {
    let slot = turn.slot.clone();
    let opened = match ctx.0.transaction.take() {
        Ok(opened) => opened,
        Err(kept) => {
            turn.give_up();
            let error = ClusterError::Persistence { source: Arc::new(kept) };
            Origin::Persisted(stored).retry::<T, M, S>(&slot, None, error, to);
            return;
        }
    };
    let mut ending = match settle::<T, M>(&mut turn, returned, Some(&stored)) {
        Ok(ending) => ending,
        Err(ended) => {
            abandon_opened(opened).await;
            turn.end();
            ended.tell::<T, M, S>(Origin::Persisted(stored), &slot, None, to);
            return;
        }
    };
    let then = match ending.reply {
        Ok(_) => Afterwards::of(Some(ctx), ctx.parcels()),
        Err(_) => Afterwards::default(),
    };
    let writes = writes_of(&turn.slot, &mut ending, Some(ctx), &then, Some(&stored));
    let change = writes.state.clone();
    let written = match opened {
        Some(opened) if ending.reply.is_ok() => {
            write(&slot, opened, writes, stored.row.id).await.map(Some)
        }
        opened => {
            // An error rolls the user's rows back; it is the outcome all the same.
            roll_back(opened).await;
            write_alone(&slot, writes).await.map_err(Unwritten::Elsewhere).map(|()| None)
        }
    };
    match written {
        Ok(lane) => {
            if let Some(change) = change {
                turn.committed(change);
            }
            committed(turn, ending, then, &stored, to);
            drop(lane);
        }
        Err(why) => not_written::<T, M, S>(turn, stored, why, to),
    }
}

/// Commits the user's rows and the handler's writes together. What comes back is to be held until
/// the end is told. When the runner has ended before, nothing is written, as by the committer.
///
/// # Errors
/// Nothing was written, unless it is `UnknownOutcome`.
async fn write<T: Serves>(
    slot: &Arc<Slot<T>>,
    opened: Opened,
    mut writes: Writes,
    request: RequestId,
) -> Result<Lane, Unwritten> {
    let shared = &slot.kind.shared;
    if shared.committer.is_closed() {
        abandon_opened(Some(opened)).await;
        return Err(Unwritten::Elsewhere(CommitFailure::Stopped));
    }
    let Opened { transaction, lane } = opened;
    let lane = match lane {
        Some(lane) => lane,
        None => shared.committer.lane_of_end(&writes).await,
    };
    for row in &mut writes.accepts {
        row.seq = lane.next_seq();
    }
    let rare = writes.rare.unwrap_or_default();
    let mut batch = Batch {
        accepts: writes.accepts,
        outcomes: writes.outcome.into_iter().collect(),
        states: writes.state.into_iter().collect(),
        alive: rare.alive.into_iter().collect(),
        ..Batch::default()
    };
    let mut reminders = lane.reminders(&rare.reminders).await.map_err(Unwritten::Own)?;
    let now = shared.clock.wall();
    let (has_out, next_seq) = (|seq| slot.has_out(seq), || lane.next_seq());
    let reminded = reminders.apply(&rare.reminders, has_out, now, &next_seq, &mut batch);
    let batch = Arc::new(batch);
    lane.writes_next(&batch);
    let fence = lane.fence();
    let sent = match transaction.commit(fence, batch.clone()).await {
        Ok(committed) => batch.accepts.iter().cloned().zip(committed.accepts).collect(),
        Err(StorageError::UnknownOutcome { source }) => {
            let unknown = StorageError::UnknownOutcome { source: source.clone() };
            lane.raise_fence(fence).await.map_err(|_| Unwritten::Own(unknown))?;
            let accepted = what_holds(shared, &batch.accepts, request).await;
            // Nothing of it is there: it was ended from outside, which is no attempt.
            let lost = Unwritten::Own(StorageError::Interrupted { source });
            accepted.ok_or(lost)?.into_iter().map(|row| (row, Accepted::New)).collect()
        }
        // Another transaction was lost meanwhile, and this one ended with it.
        Err(StorageError::Fenced { .. }) if lane.is_raised(fence).await => {
            return Err(Unwritten::Elsewhere(CommitFailure::Superseded));
        }
        Err(error) => return Err(Unwritten::Own(error)),
    };
    // While nobody else writes, so that others come into the mailboxes after these.
    batch.outcomes.iter().for_each(|outcome| shared.request_ended(outcome.seq));
    lane.tell_reminded(reminded);
    deliver_sent(shared, sent);
    Ok(lane)
}

/// After an unknown outcome, when the lost transaction can commit no more: which of its rows were
/// accepted; `None` when it has not committed. Goes on until the storage answers: if the handler
/// ran again though it has committed, its effect would be doubled.
async fn what_holds(
    shared: &Shared,
    rows: &[RequestRow],
    request: RequestId,
) -> Option<Vec<RequestRow>> {
    let ids: Vec<RequestId> = [request].into_iter().chain(rows.iter().map(|row| row.id)).collect();
    let mut found = loop {
        match shared.storage.find_requests(ids.clone()).await {
            Ok(found) => break found.into_iter(),
            Err(error) => {
                tracing::warn!(
                    error = text(&error),
                    "a lost commit cannot be looked up, trying again"
                );
                shared.clock.sleep(LOOK_UP_RETRY).await;
            }
        }
    };
    found.next().flatten()?.outcome?;
    // One whose key was known is not stored: an earlier request stands for it.
    let stored = rows.iter().zip(found).filter_map(|(row, found)| {
        found.is_some_and(|found| found.request.seq == row.seq).then(|| row.clone())
    });
    Some(stored.collect())
}

/// Commits a handler's writes that has opened no transaction, or whose transaction was rolled back.
async fn write_alone<T: Serves>(slot: &Arc<Slot<T>>, writes: Writes) -> Result<(), CommitFailure> {
    let (tell, told) = oneshot::channel();
    let runner = slot.kind.shared.clone();
    let ended = writes.outcome.as_ref().map(|outcome| outcome.seq);
    let complete = Box::new(move |result: Result<_, CommitFailure>| {
        let committed = |accepted| {
            ended.into_iter().for_each(|request| runner.request_ended(request));
            deliver_sent(&runner, accepted);
        };
        // Nobody waits for it when the runner ends.
        let _ = tell.send(result.map(committed));
    });
    let unit = Unit::of(slot.clone(), slot.generation(), writes, complete);
    slot.kind.shared.committer.push(unit);
    told.await.unwrap_or(Err(CommitFailure::Stopped))
}

fn committed<T: Serves, M: Message>(
    turn: Turn<T>,
    ending: Ending<M>,
    then: Afterwards,
    stored: &Stored,
    to: To<M>,
) {
    let slot = turn.slot.clone();
    then.happen(&slot);
    slot.request_is_back(stored.row.seq);
    turn.end();
    if let Some(outcome) = ending.outcome {
        slot.kind.shared.waiters.tell(stored.row.id, || Ok(outcome.clone()));
    }
    to.reply(ending.reply);
}

/// Why a handler's end was not written.
enum Unwritten {
    /// Its own transaction failed, perhaps because of what it did in it.
    Own(StorageError),
    /// Another transaction failed: the committer's, or one that its own ended with.
    Elsewhere(CommitFailure),
}

fn not_written<T: Serves, M: Message, S: Style<T, M>>(
    turn: Turn<T>,
    stored: Box<Stored>,
    why: Unwritten,
    to: To<M>,
) {
    let slot = turn.slot.clone();
    slot.forget_state();
    turn.give_up();
    match why {
        Unwritten::Elsewhere(failure) => {
            _ = Origin::Persisted(stored).void::<T, M, S>(&slot, &failure, to);
        }
        // No fault of its own: no attempt is counted, and it gives way to the others.
        Unwritten::Own(error @ StorageError::Interrupted { .. }) => {
            let error = not_committed(&CommitFailure::Storage(error));
            _ = wait_for_room::<T, M, S>(&slot, stored, None, &error, to);
        }
        // What it wrote may be committed: another attempt could do it twice.
        Unwritten::Own(error @ StorageError::TransactionEnded) => {
            _ = Origin::Persisted(stored).give_up::<T, M, S>(&slot, None, text(&error), to);
        }
        Unwritten::Own(error) => {
            let is_own_fault = !matches!(
                error,
                StorageError::Fenced { .. }
                    | StorageError::UnknownOutcome { .. }
                    | StorageError::TooLarge { .. }
            );
            let failure = CommitFailure::Storage(error);
            let origin = Origin::Persisted(stored);
            // A constraint that is checked at the commit would fail for ever: attempts count.
            let ran = match is_own_fault {
                true => origin.retry::<T, M, S>(&slot, None, not_committed(&failure), to),
                false => origin.void::<T, M, S>(&slot, &failure, to),
            };
            drop(ran);
        }
    }
}
