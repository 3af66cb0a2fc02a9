//! From a request to its handler's first poll.

use std::any::Any;
use std::cell::Cell;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker, ready};

use tokio::sync::oneshot;

use super::cancel::{Cancellable, is_asked};
use super::context::Context;
use super::contract::{Message, Serves};
use super::endpoint::{Exchange, ReplyOf, Request, Wanted};
use super::job::VolatileJob;
use super::kind::Kind;
use super::later::collecting;
use super::method::{ReturnOf, Style};
use super::options::Delivery;
use super::origin::{Origin, end_interrupted};
use super::outcome::Outcome;
use super::outstanding::check_room;
use super::slot::{Slot, Start};
use super::submit::submit;
use super::trace::{HandlerSpan, Trace};
use super::turn::Turn;
use crate::error::{CallError, ClusterError};
use crate::message::Headers;
use crate::time::Moment;

/// Where a reply goes.
pub(super) enum To<M: Message> {
    /// The caller is polling right now.
    Caller,
    /// The caller waits.
    Waiter(oneshot::Sender<ReplyOf<M>>),
    /// The caller waits, or has gone away: that is not for the handler to know.
    Patient(oneshot::Sender<ReplyOf<M>>),
    /// Nobody asked.
    Nobody,
}

/// What became of a run.
pub(super) enum Ran<M: Message> {
    /// The reply for the polling caller.
    Reply(ReplyOf<M>),
    /// The polling caller must wait.
    Later(oneshot::Receiver<ReplyOf<M>>),
    /// It was sent, or will be.
    Sent,
}

impl<M: Message> To<M> {
    /// Gives the reply.
    #[inline]
    pub(super) fn reply(self, reply: ReplyOf<M>) -> Ran<M> {
        match self {
            To::Caller => Ran::Reply(reply),
            To::Waiter(waiter) | To::Patient(waiter) => {
                // A caller that went away needs no answer.
                let _ = waiter.send(reply);
                Ran::Sent
            }
            To::Nobody => Ran::Sent,
        }
    }

    pub(super) fn fail(self, error: ClusterError) -> Ran<M> {
        self.reply(Err(CallError::Cluster(error)))
    }

    /// The reply comes later: whom to give it then, and what the polling caller waits on.
    pub(super) fn later(self) -> (To<M>, Ran<M>) {
        match self {
            To::Caller => {
                let (waiter, wait) = oneshot::channel();
                (To::Waiter(waiter), Ran::Later(wait))
            }
            other => (other, Ran::Sent),
        }
    }

    /// The same, of which the handler does not hear that its caller goes away.
    fn patient(self) -> To<M> {
        match self {
            To::Waiter(waiter) => To::Patient(waiter),
            other => other,
        }
    }

    pub(super) fn is_gone(&self) -> bool {
        matches!(self, To::Waiter(waiter) if waiter.is_closed())
    }

    /// Resolves when the caller goes away.
    pub(super) async fn closed(&mut self) {
        match self {
            To::Waiter(waiter) => waiter.closed().await,
            To::Caller | To::Patient(_) | To::Nobody => std::future::pending().await,
        }
    }
}

/// What surrounds a message: headers, its trace, the handler that called, and whether it goes on
/// when its caller goes away.
pub(super) struct Surroundings {
    pub(super) headers: Headers,
    pub(super) trace: Trace,
    pub(super) parent: Option<Context>,
    pub(super) uninterruptible: bool,
}

thread_local! {
    /// How many handlers are being polled inside each other on this thread.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Counts one handler polled inside another's poll.
struct Deeper;

impl Deeper {
    fn enter(limit: usize) -> Option<Deeper> {
        let depth = DEPTH.get();
        (depth < limit).then(|| {
            DEPTH.set(depth + 1);
            Deeper
        })
    }
}

impl Drop for Deeper {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// The entry of the dispatch table: starts the request in the exchange.
pub(super) fn start<T: Serves, M: Message, S: Style<T, M>>(
    slot: Arc<Slot<T>>,
    exchange: &mut dyn Any,
) {
    let taken = Exchange::<M>::take_request(exchange);
    let (exchange, request) = taken.expect("the client and the table are of one contract");
    *exchange = match M::INFO.delivery {
        Delivery::Persisted => submit::<T, M, S>(slot, request),
        Delivery::Volatile if request.wanted == Wanted::HandOver => {
            Exchange::HandedOver(hand_over::<T, M, S>(&slot, request))
        }
        Delivery::Volatile => ask::<T, M, S>(slot, request),
    };
}

/// A volatile call: at once, in the caller's poll, if the entity is free.
#[inline]
fn ask<T: Serves, M: Message, S: Style<T, M>>(
    slot: Arc<Slot<T>>,
    request: Request<M>,
) -> Exchange<M> {
    let Request { message, headers, trace, parent, uninterruptible, .. } = request;
    let around = Surroundings { headers, trace, parent, uninterruptible };
    if let Some(_deeper) = Deeper::enter(slot.kind.shared.config.inline_depth) {
        let entered = slot.try_enter(S::ACCESS, S::PLAIN).or_else(|| slot.try_make(S::ACCESS));
        if let Some(turn) = entered {
            slot.touch();
            return match run::<T, M, S>(turn, message, around, Origin::Volatile, To::Caller) {
                Ran::Reply(reply) => Exchange::Reply(reply),
                Ran::Later(wait) => Exchange::Later(wait),
                Ran::Sent => unreachable!("a polling caller gets a reply or a wait"),
            };
        }
        return ask_later::<T, M, S>(&slot, message, around, Start::Inline);
    }
    ask_later::<T, M, S>(&slot, message, around, Start::Task)
}

fn ask_later<T: Serves, M: Message, S: Style<T, M>>(
    slot: &Arc<Slot<T>>,
    message: M,
    around: Surroundings,
    start: Start,
) -> Exchange<M> {
    let (waiter, wait) = oneshot::channel();
    let patient = M::INFO.uninterruptible || around.uninterruptible;
    let to = if patient { To::Patient(waiter) } else { To::Waiter(waiter) };
    let job = VolatileJob::<M, S>::new(slot, message, around, to);
    match slot.enqueue(Box::new(job), start) {
        Ok(()) => Exchange::Later(wait),
        Err(error) => Exchange::Reply(Err(CallError::Cluster(error))),
    }
}

fn hand_over<T: Serves, M: Message, S: Style<T, M>>(
    slot: &Arc<Slot<T>>,
    request: Request<M>,
) -> Result<(), ClusterError> {
    let Request { message, headers, trace, .. } = request;
    // Nobody waits for it, so it cannot wait for itself: the chain of callers ends here.
    let around = Surroundings { headers, trace, parent: None, uninterruptible: true };
    let job = VolatileJob::<M, S>::new(slot, message, around, To::Nobody);
    slot.enqueue(Box::new(job), Start::Task)
}

/// Runs a handler: a plain one at once, an async one up to its first suspension; from there a task
/// goes on.
#[inline]
pub(super) fn run<T: Serves, M: Message, S: Style<T, M>>(
    turn: Turn<T>,
    message: M,
    around: Surroundings,
    origin: Origin,
    to: To<M>,
) -> Ran<M> {
    if <M::Outcome as Outcome>::LATER {
        return run_with_later_reply::<T, M, S>(turn, message, around, origin, to);
    }
    run_to_return::<T, M, S>(turn, message, around, origin, to)
}

#[inline]
fn run_to_return<T: Serves, M: Message, S: Style<T, M>>(
    turn: Turn<T>,
    message: M,
    around: Surroundings,
    origin: Origin,
    to: To<M>,
) -> Ran<M> {
    if S::PLAIN {
        run_plain::<T, M, S>(turn, message, around, origin, to)
    } else {
        run_async::<T, M, S>(turn, message, around, origin, to)
    }
}

/// Runs a handler whose reply comes later, if one more may be outstanding.
fn run_with_later_reply<T: Serves, M: Message, S: Style<T, M>>(
    turn: Turn<T>,
    message: M,
    around: Surroundings,
    origin: Origin,
    to: To<M>,
) -> Ran<M> {
    let uninterruptible = M::INFO.uninterruptible || around.uninterruptible;
    let (to, ran) = to.later();
    let to = if uninterruptible && matches!(origin, Origin::Volatile) { to.patient() } else { to };
    if let Ok((turn, origin, to)) = check_room::<T, M, S>(turn, origin, to) {
        drop(run_to_return::<T, M, S>(turn, message, around, origin, to));
    }
    ran
}

/// Whether a handler gives others' replies with its own commit. Otherwise it has none.
pub(super) const fn collects<T: Serves, M: Message>() -> bool {
    Kind::<T>::is_durable() || matches!(M::INFO.delivery, Delivery::Persisted)
}

#[inline]
fn run_plain<T: Serves, M: Message, S: Style<T, M>>(
    mut turn: Turn<T>,
    message: M,
    around: Surroundings,
    origin: Origin,
    to: To<M>,
) -> Ran<M> {
    let span = around.trace.handler_span(&turn.slot, M::INFO, &origin);
    // A handler without `&Context` cannot call others, so nothing need be known of its
    // surroundings.
    let ctx = M::INFO.context.then(|| Context::of::<T, M>(&turn, around, &origin));
    let started = turn.slot.kind.started(M::INFO);
    let entity = turn.entity();
    let call = || catch_unwind(AssertUnwindSafe(|| S::call(message, entity, ctx.as_ref())));
    let (called, parcels) = collecting(collects::<T, M>(), || span.within(call));
    turn.slot.kind.ended(M::INFO, started);
    match called {
        Ok(returned) => S::conclude(turn, returned, ctx.as_ref(), parcels, origin, to),
        Err(panic) => {
            let (slot, base) = (turn.slot.clone(), turn.base());
            turn.give_up();
            span.failed(|| origin.panicked::<T, M, S>(&slot, base, panic, to))
        }
    }
}

fn run_async<T: Serves, M: Message, S: Style<T, M>>(
    mut turn: Turn<T>,
    message: M,
    around: Surroundings,
    origin: Origin,
    to: To<M>,
) -> Ran<M> {
    let slot = turn.slot.clone();
    let span = around.trace.handler_span(&slot, M::INFO, &origin);
    let started = slot.kind.started(M::INFO);
    let uninterruptible = M::INFO.uninterruptible || around.uninterruptible;
    let patient = uninterruptible && matches!(origin, Origin::Volatile);
    let ctx = Context::of::<T, M>(&turn, around, &origin);
    let mut handler = Box::pin({
        let ctx = ctx.running();
        async move {
            let returned = S::future(message, turn.entity(), &ctx).await;
            (turn, returned)
        }
    });
    let mut once = TaskContext::from_waker(Waker::noop());
    match span.within(|| poll_handler(&ctx, handler.as_mut(), &mut once)) {
        Ok(Poll::Ready((turn, returned))) => {
            slot.kind.ended(M::INFO, started);
            S::conclude(turn, returned, Some(&ctx), ctx.parcels(), origin, to)
        }
        Ok(Poll::Pending) => {
            let (to, ran) = to.later();
            let to = if patient { to.patient() } else { to };
            let cancel = match &origin {
                Origin::Volatile => None,
                Origin::Persisted(stored) => {
                    Some(Cancellable::new(&slot.kind.shared, stored.row.id))
                }
            };
            let entity = slot.clone();
            entity.kind.shared.tasks.spawn(Suspended {
                slot,
                ctx,
                handler: Some((handler, origin, to)),
                cancel,
                span,
                started,
                style: PhantomData::<fn() -> S>,
            });
            ran
        }
        Err(panic) => {
            drop(handler);
            span.failed(|| origin.panicked::<T, M, S>(&slot, ctx.0.base.clone(), panic, to))
        }
    }
}

/// A suspended handler on its way to its end; dropped when its volatile caller goes away.
struct Suspended<T: Serves, M: Message, S, F> {
    slot: Arc<Slot<T>>,
    ctx: Context,
    /// `None` once it has ended.
    handler: Option<(Pin<Box<F>>, Origin, To<M>)>,
    /// The persisted request can be cancelled.
    cancel: Option<Cancellable>,
    span: HandlerSpan,
    /// The moment of its start, if it is timed.
    started: Option<Moment>,
    style: PhantomData<fn() -> S>,
}

impl<T: Serves, M: Message, S, F> Unpin for Suspended<T, M, S, F> {}

impl<T: Serves, M: Message, S: Style<T, M>, F> Future for Suspended<T, M, S, F>
where
    F: Future<Output = (Turn<T>, ReturnOf<M>)> + Send,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let this = &mut *self;
        let Some((handler, origin, to)) = &mut this.handler else { return Poll::Ready(()) };
        let polled = this.span.within(|| poll_handler(&this.ctx, handler.as_mut(), cx));
        // Looked at when it was polled: it may hear of its cancel, but not make it undone.
        let asked = is_asked(this.cancel.as_ref(), cx) && !M::INFO.uninterruptible;
        match (&polled, origin, to) {
            (Ok(Poll::Pending), Origin::Volatile, To::Waiter(waiter)) => {
                ready!(waiter.poll_closed(cx));
            }
            (Ok(Poll::Pending), ..) if !asked => return Poll::Pending,
            _ => {}
        }
        // Ended, panicked, given up by its caller or cancelled: in the last two cases the turn's
        // drop guard hands the entity back.
        let (handler, origin, to) = this.handler.take().expect("there until it has ended");
        this.slot.stay();
        drop(handler);
        // Whoever goes on with the request is told of a cancel in its place.
        this.cancel = None;
        match polled {
            Ok(Poll::Ready((turn, returned))) if !asked => {
                this.slot.kind.ended(M::INFO, this.started);
                let (ctx, parcels) = (&this.ctx, this.ctx.parcels());
                S::conclude(turn, returned, Some(ctx), parcels, origin, to);
            }
            Ok(ended) => {
                drop(ended);
                if let Origin::Persisted(stored) = origin {
                    let base = this.ctx.0.base.clone();
                    end_interrupted::<T, M, S>(&this.slot, stored, base, to);
                }
            }
            Err(panic) => {
                let base = this.ctx.0.base.clone();
                let panicked = || origin.panicked::<T, M, S>(&this.slot, base, panic, to);
                drop(this.span.failed(panicked));
            }
        }
        Poll::Ready(())
    }
}

/// One poll as the current handler; a panic is caught.
pub(super) fn poll_handler<F: Future + ?Sized>(
    ctx: &Context,
    handler: Pin<&mut F>,
    cx: &mut TaskContext<'_>,
) -> Result<Poll<F::Output>, Box<dyn Any + Send>> {
    let poll = || catch_unwind(AssertUnwindSafe(|| ctx.enter(|| handler.poll(cx))));
    let (polled, parcels) = collecting(ctx.0.collects, poll);
    ctx.keep_parcels(parcels);
    polled
}
