//! Handlers that run in the storage's own transaction.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use super::conclude::{Ending, settle, writes_of};
use super::context::Context;
use super::contract::{Message, Serves};
use super::intake::deliver_sent;
use super::job::PersistedJob;
use super::method::{ReturnOf, Style};
use super::origin::{Origin, Stored};
use super::run::{Surroundings, To, poll_handler};
use super::slot::Slot;
use super::turn::Turn;
use crate::commit::{CommitFailure, Unit, Writes};
use crate::error::ClusterError;
use crate::storage::{
    Accepted, Batch, Committed, OpenTransaction, RequestRow, StorageError, StoredOutcome,
};

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
    let ctx = Context::of::<T, M>(&turn, around, &origin);
    let Origin::Persisted(stored) = origin else { unreachable!("made two lines above") };
    let tasks = slot.kind.clone();
    tasks.shared.tasks.spawn(async move {
        let limit = slot.kind.shared.config.transaction_limit;
        let clock = slot.kind.shared.clock.clone();
        let mut handler = Box::pin({
            let ctx = ctx.running();
            async move {
                let mut turn = turn;
                let returned = S::future(message, turn.entity(), &ctx).await;
                (turn, returned)
            }
        });
        let polled = poll_fn(|cx| match poll_handler(&ctx, handler.as_mut(), cx) {
            Ok(Poll::Ready(ended)) => Poll::Ready(Ok(ended)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) => Poll::Ready(Err(panic)),
        });
        match clock.timeout(limit, polled).await {
            Ok(Ok((turn, returned))) => end::<T, M, S>(turn, returned, &ctx, stored, to).await,
            Ok(Err(panic)) => {
                drop(handler);
                roll_back(&ctx).await;
                Origin::Persisted(stored).panicked::<T, M, S>(&slot, panic, to);
            }
            Err(_) => {
                drop(handler);
                roll_back(&ctx).await;
                let error = too_long(limit);
                Origin::Persisted(stored).retry::<T, M, S>(&slot, error, to);
            }
        }
    });
}

fn too_long(limit: std::time::Duration) -> ClusterError {
    let ms = |time: std::time::Duration| usize::try_from(time.as_millis()).unwrap_or(usize::MAX);
    ClusterError::LimitExceeded {
        limit: "transaction_limit",
        what: "the time of a handler with its own transaction, in ms,".to_owned(),
        max: ms(limit),
        actual: ms(limit),
    }
}

async fn roll_back(ctx: &Context) {
    if let Ok(Some(transaction)) = ctx.0.transaction.take() {
        transaction.rollback().await;
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
    let transaction = match ctx.0.transaction.take() {
        Ok(transaction) => transaction,
        Err(kept) => {
            turn.give_up();
            let error = ClusterError::Persistence { source: Arc::new(kept) };
            Origin::Persisted(stored).retry::<T, M, S>(&slot, error, to);
            return;
        }
    };
    let ending = match settle::<T, M>(&mut turn, returned, Some(&stored)) {
        Ok(ending) => ending,
        Err(error) => {
            if let Some(transaction) = transaction {
                transaction.rollback().await;
            }
            turn.end();
            Origin::Persisted(stored).retry::<T, M, S>(&slot, error, to);
            return;
        }
    };
    let writes = writes_of(&turn, &ending, Some(ctx), Some(&stored));
    match transaction {
        Some(open) if ending.reply.is_ok() => {
            let result = write(&slot, open, writes, &stored).await;
            finish::<T, M, S>(turn, ending, result, stored, to);
        }
        open => {
            // An error rolls the user's rows back; it is the outcome all the same.
            if let Some(open) = open {
                open.rollback().await;
            }
            let result = write_alone(&slot, writes).await;
            finish::<T, M, S>(turn, ending, result, stored, to);
        }
    }
}

type Written = Result<Vec<(RequestRow, Accepted)>, CommitFailure>;

/// Commits the user's rows and the handler's writes together. An unknown outcome is settled by
/// raising the fence and looking for the request's outcome.
async fn write<T: Serves>(
    slot: &Arc<Slot<T>>,
    open: Box<dyn OpenTransaction>,
    mut writes: Writes,
    stored: &Stored,
) -> Written {
    let shared = &slot.kind.shared;
    let committer = &shared.committer;
    for row in &mut writes.accepts {
        row.seq = committer.next_seq();
    }
    let batch = Arc::new(Batch {
        accepts: writes.accepts,
        outcomes: writes.outcome.into_iter().collect(),
        states: writes.state.into_iter().collect(),
        ..Batch::default()
    });
    let result = open.commit(committer.fence(), batch.clone()).await;
    let committed = match result {
        Ok(committed) => committed,
        Err(StorageError::UnknownOutcome { .. }) => {
            committer.raise_fence().await.map_err(CommitFailure::Storage)?;
            let found = shared.storage.find_requests(vec![stored.row.id]).await;
            let found = found.map_err(CommitFailure::Storage)?.pop().flatten();
            if found.is_none_or(|found| found.outcome.is_none()) {
                return Err(CommitFailure::Superseded);
            }
            Committed { accepts: batch.accepts.iter().map(|_| Accepted::New).collect() }
        }
        Err(error) => return Err(CommitFailure::Storage(error)),
    };
    let rows = Arc::try_unwrap(batch).map_or_else(|b| b.accepts.clone(), |b| b.accepts);
    Ok(rows.into_iter().zip(committed.accepts).collect())
}

/// Commits a handler's writes that has opened no transaction, or whose transaction was rolled back.
async fn write_alone<T: Serves>(slot: &Arc<Slot<T>>, writes: Writes) -> Written {
    let (tell, told) = tokio::sync::oneshot::channel();
    let complete = Box::new(move |result| {
        let _ = tell.send(result);
    });
    slot.kind.shared.committer.push(Unit::new(writes, complete));
    told.await.unwrap_or(Err(CommitFailure::Stopped))
}

fn finish<T: Serves, M: Message, S: Style<T, M>>(
    mut turn: Turn<T>,
    ending: Ending<M>,
    result: Written,
    stored: Box<Stored>,
    to: To<M>,
) {
    let slot = turn.slot.clone();
    match result {
        Ok(sent) => {
            turn.committed(ending.change);
            turn.end();
            let shared = slot.kind.shared.clone();
            deliver_sent(&shared, sent);
            tell_waiters(&slot, &stored, ending.outcome);
            to.reply(ending.reply);
        }
        Err(failure) => {
            slot.forget_state();
            turn.give_up();
            match failure {
                // The committer's own pause between attempts has no place here, so the request has
                // one.
                CommitFailure::Storage(_) => {
                    let shared = &slot.kind.shared;
                    let at = shared.clock.wall().after(shared.config.backoff_min);
                    slot.requeue_at(Box::new(PersistedJob::<M, S>::new(stored, None, to)), at);
                }
                other => {
                    Origin::Persisted(stored).void::<T, M, S>(&slot, &other, to);
                }
            }
        }
    }
}

/// Tells joined callers by way of the committer: a caller whose acceptance is being looked up right
/// now is told after it has begun to wait.
fn tell_waiters<T: Serves>(slot: &Arc<Slot<T>>, stored: &Stored, outcome: Option<StoredOutcome>) {
    let Some(outcome) = outcome else { return };
    let (slot, request) = (slot.clone(), stored.row.id);
    let committer = slot.kind.shared.committer.clone();
    let complete = Box::new(move |_| {
        slot.kind.shared.waiters.tell(request, || Ok(outcome.clone()));
    });
    committer.push(Unit::new(Writes::default(), complete));
}
