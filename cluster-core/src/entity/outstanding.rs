//! Requests whose handler has returned and whose reply comes later.
//!
//! The turn ends when the handler returns, so others run meanwhile; the entity is pinned instead. A
//! task waits for the reply, the end of the caller or a cancel, whichever comes first, and is
//! waited for by a drain as a running handler is. The reply is concluded as a returned value is,
//! but without a turn: it writes no state. A persisted request is *out* all the time, as one that
//! runs.
//!
//! A dropped reply is a failure of the handler, with the attempts, back-off and dead letter of a
//! panic.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use super::cancel::{Cancellable, is_asked};
use super::conclude::{Afterwards, commit_beside, write_down, writes_of};
use super::context::Context;
use super::contract::{Message, Serves};
use super::later::{Parcels, UNANSWERED};
use super::method::{ReturnOf, Style};
use super::origin::{Base, NoOutcome, Origin, end_interrupted, wait_for_room};
use super::outcome::{Answer, Outcome, Verdict};
use super::run::{Ran, To};
use super::slot::Slot;
use super::turn::Turn;
use crate::commit::{CommitFailure, Unit, Writes};
use crate::error::{CallError, ClusterError};

type VerdictOf<M> =
    Verdict<<<M as Message>::Outcome as Outcome>::Ok, <<M as Message>::Outcome as Outcome>::Err>;
type AnswerOf<M> =
    Answer<<<M as Message>::Outcome as Outcome>::Ok, <<M as Message>::Outcome as Outcome>::Err>;

impl<T: Serves> Slot<T> {
    fn later_max(&self) -> usize {
        self.kind.shared.config.later_replies_max
    }

    /// Whether as many replies of the entity are outstanding as may be.
    fn has_all_outstanding(&self) -> bool {
        self.lock().outstanding >= self.later_max()
    }
}

/// A place among an entity's outstanding replies; keeps the entity in memory.
struct Place<T: Serves>(Arc<Slot<T>>);

impl<T: Serves> Place<T> {
    fn take(slot: &Arc<Slot<T>>) -> Option<Self> {
        let mut inner = slot.lock();
        let free = inner.outstanding < slot.later_max();
        if free {
            inner.outstanding += 1;
            inner.pins += 1;
        }
        free.then(|| Place(slot.clone()))
    }
}

impl<T: Serves> Drop for Place<T> {
    fn drop(&mut self) {
        self.0.lock().outstanding -= 1;
        self.0.unpinned();
    }
}

/// Ends a request before its handler has run, if its reply would be one too many; a persisted one
/// waits for its turn once more.
///
/// # Errors
/// It was ended.
pub(super) fn check_room<T: Serves, M: Message, S: Style<T, M>>(
    turn: Turn<T>,
    origin: Origin,
    to: To<M>,
) -> Result<(Turn<T>, Origin, To<M>), Ran<M>> {
    if !turn.slot.has_all_outstanding() {
        return Ok((turn, origin, to));
    }
    let (slot, base) = (turn.slot.clone(), turn.base());
    turn.end();
    Err(refuse::<T, M, S>(&slot, base, origin, to))
}

fn refuse<T: Serves, M: Message, S: Style<T, M>>(
    slot: &Arc<Slot<T>>,
    base: Base,
    origin: Origin,
    to: To<M>,
) -> Ran<M> {
    let max = slot.later_max();
    let error = ClusterError::LimitExceeded {
        limit: "later_replies_max",
        what: format!("the number of outstanding replies of {}", slot.address()),
        max,
        actual: max + 1,
    };
    match origin {
        Origin::Volatile => origin.retry::<T, M, S>(slot, base, error, to),
        Origin::Persisted(stored) => wait_for_room::<T, M, S>(slot, stored, base, &error, to),
    }
}

/// The handler has returned, its reply comes later: ends the turn, so that others run meanwhile.
pub(super) fn wait_for_answer<T: Serves, M: Message, S: Style<T, M>>(
    turn: Turn<T>,
    returned: ReturnOf<M>,
    ctx: Option<&Context>,
    parcels: Parcels,
    origin: Origin,
    to: To<M>,
) -> Ran<M> {
    let (slot, base) = (turn.slot.clone(), turn.base());
    let answer = <M::Outcome as Outcome>::answer(returned);
    let place = Place::take(&slot);
    turn.end();
    hand_out_after(&slot, &base, parcels);
    let Some(place) = place else { return refuse::<T, M, S>(&slot, base, origin, to) };
    let (to, ran) = to.later();
    let ctx = ctx.cloned();
    let tasks = slot.kind.clone();
    tasks.shared.tasks.spawn(async move {
        let place = place;
        let waiting = Waiting { slot, base, ctx, origin, to };
        waiting.run::<S>(answer).await;
        drop(place);
    });
    ran
}

/// Gives out the replies of a handler that has returned without its own outcome, when all is
/// durable that it could have read.
pub(super) fn hand_out_after<T: Serves>(slot: &Slot<T>, base: &Base, parcels: Parcels) {
    if parcels.is_empty() {
        return;
    }
    let Some((line, generation)) = base.clone() else { return parcels.hand_out() };
    let complete = Box::new(move |result: Result<_, CommitFailure>| {
        if result.is_ok() {
            parcels.hand_out();
        }
    });
    let unit = Unit::of(line, generation, Writes::default(), complete);
    slot.kind.shared.committer.push(unit);
}

/// A request between its handler's return and its reply.
struct Waiting<T: Serves, M: Message> {
    slot: Arc<Slot<T>>,
    base: Base,
    ctx: Option<Context>,
    origin: Origin,
    to: To<M>,
}

/// How a wait ended.
enum Ended<V> {
    Answered(V),
    /// The hold was dropped.
    Unanswered,
    /// The volatile caller is gone.
    Gone,
    /// The persisted request was cancelled.
    Cancelled,
}

impl<T: Serves, M: Message> Waiting<T, M> {
    async fn run<S: Style<T, M>>(mut self, mut answer: AnswerOf<M>) {
        let cancel = match &self.origin {
            Origin::Volatile => None,
            Origin::Persisted(stored) => {
                Some(Cancellable::new(&self.slot.kind.shared, stored.row.id))
            }
        };
        let ended = poll_fn(|cx| self.poll(&mut answer, cancel.as_ref(), cx)).await;
        // From here on it is as closed to those who would answer.
        drop(answer);
        drop(cancel);
        let Waiting { slot, base, ctx, origin, to } = self;
        match (ended, origin) {
            (Ended::Answered(verdict), origin) => {
                let answered = Waiting { slot, base, ctx, origin, to };
                answered.end::<S>(verdict);
            }
            (Ended::Unanswered, origin) => {
                drop(origin.failed::<T, M, S>(&slot, base, UNANSWERED.to_owned(), to));
            }
            (Ended::Cancelled, Origin::Persisted(stored)) => {
                drop(end_interrupted::<T, M, S>(&slot, stored, base, to));
            }
            (Ended::Gone | Ended::Cancelled, _) => {}
        }
    }

    fn poll(
        &mut self,
        answer: &mut AnswerOf<M>,
        cancel: Option<&Cancellable>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Ended<VerdictOf<M>>> {
        if let Poll::Ready(answered) = answer.as_mut().poll(cx) {
            return Poll::Ready(answered.map_or(Ended::Unanswered, Ended::Answered));
        }
        if !M::INFO.uninterruptible && is_asked(cancel, cx) {
            return Poll::Ready(Ended::Cancelled);
        }
        match (&self.origin, &mut self.to) {
            (Origin::Volatile, To::Waiter(waiter)) => waiter.poll_closed(cx).map(|()| Ended::Gone),
            _ => Poll::Pending,
        }
    }

    /// The reply is here: what it is with what the handler has sent becomes durable, then it
    /// leaves.
    fn end<S: Style<T, M>>(self, verdict: VerdictOf<M>) {
        let Waiting { slot, base, ctx, origin, to } = self;
        let no_outcome = |ended: NoOutcome, base, origin, to| {
            drop(ended.tell::<T, M, S>(origin, &slot, base, to));
        };
        let reply = match verdict {
            Verdict::Ok(value) => Ok(value),
            Verdict::Err(error) => {
                slot.kind.metrics.errors.increment(1);
                Err(CallError::Entity(error))
            }
            Verdict::Retry(error) => {
                return no_outcome(NoOutcome::Retry(error), base, origin, to);
            }
            Verdict::GiveUp(reason) => {
                return no_outcome(NoOutcome::GiveUp(reason), base, origin, to);
            }
        };
        let stored = match &origin {
            Origin::Volatile => None,
            Origin::Persisted(stored) => Some(&**stored),
        };
        let mut ending = write_down::<T, M>(&slot, reply, stored);
        let then = match ending.reply {
            Ok(_) => Afterwards::of(ctx.as_ref(), Parcels::default()),
            Err(_) => Afterwards::default(),
        };
        let writes = writes_of(&slot, &mut ending, ctx.as_ref(), &then, stored);
        if writes.asks_nothing() && base.is_none() {
            then.happen(&slot);
            drop(to.reply(ending.reply));
            return;
        }
        commit_beside::<T, M, S>(slot, base, ending, writes, then, origin, to);
    }
}
