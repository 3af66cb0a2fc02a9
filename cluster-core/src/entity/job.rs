//! A request that waits in a mailbox.

use std::any::Any;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::cancel::Asked;
use super::context::{Context, Nesting};
use super::contract::{Message, Serves};
use super::endpoint::ReplyOf;
use super::failure::{decode_error, read_reply};
use super::filter::CallInfo;
use super::hold::{held, hold};
use super::kind::Kind;
use super::mailbox::Queued;
use super::method::Style;
use super::options::{Access, MessageInfo};
use super::origin::{Origin, Stored, end_interrupted, end_with_failure};
use super::run::{Surroundings, To, run};
use super::slot::Slot;
use super::trace::Trace;
use super::transact::run_in_transaction;
use super::turn::Turn;
use crate::error::{CallError, ClusterError, Refused, text};
use crate::id::{RequestId, Seq};
use crate::storage::{Missing, PendingRequest};

/// A request of an entity, whatever its message.
pub(crate) trait Job<T: Serves>: Queued + Send {
    /// Runs the handler up to its first suspension.
    fn run(self: Box<Self>, turn: Turn<T>);

    /// Leaves the mailbox without having run. A volatile request ends with the error; a persisted
    /// one stays in the storage, and its caller goes on waiting unless the runner ends.
    fn displace(self: Box<Self>, why: ClusterError);

    /// Leaves the mailbox since this runner cannot read what it needs. A volatile request ends with
    /// the error; a persisted one is held for a runner that can.
    fn hold(self: Box<Self>, slot: &Arc<Slot<T>>, why: &ClusterError);

    /// Whether nobody wants it any more: its caller is gone, and it would not run.
    fn is_gone(&self) -> bool;

    /// The id of a persisted one.
    fn request(&self) -> Option<RequestId>;

    /// Whether a running handler waits for it: it is started also while the runner drains.
    fn is_from_handler(&self) -> bool;
}

impl<T: Serves> Queued for Box<dyn Job<T>> {
    fn access(&self) -> Access {
        (**self).access()
    }

    fn needs_quiet(&self) -> bool {
        (**self).needs_quiet()
    }

    fn seq(&self) -> Option<Seq> {
        (**self).seq()
    }

    fn nesting(&self) -> Nesting {
        (**self).nesting()
    }

    fn nest(&mut self) {
        (**self).nest();
    }
}

/// What became of an accepted request that was to be put into a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// It is there.
    Queued,
    /// It is there already, from the storage.
    Twice,
    /// The mailbox is full: it stays in the storage until there is room.
    Spilled,
    /// No more entities fit into memory: it stays in the storage until one leaves.
    NoRoom,
    /// The type has no such message: it stays in the storage.
    Unknown,
}

/// A volatile request.
pub(super) struct VolatileJob<M: Message, S> {
    message: M,
    around: Surroundings,
    nesting: Nesting,
    to: To<M>,
    style: PhantomData<fn() -> S>,
}

impl<M: Message, S> VolatileJob<M, S> {
    pub(super) fn new<T: Serves>(
        slot: &Slot<T>,
        message: M,
        around: Surroundings,
        to: To<M>,
    ) -> Self {
        let nesting = slot.nesting(around.parent.as_ref());
        VolatileJob { message, around, nesting, to, style: PhantomData }
    }
}

impl<M: Message, S: 'static> Queued for VolatileJob<M, S> {
    fn access(&self) -> Access {
        M::INFO.access
    }

    fn needs_quiet(&self) -> bool {
        false
    }

    fn seq(&self) -> Option<Seq> {
        None
    }

    fn nesting(&self) -> Nesting {
        self.nesting
    }

    fn nest(&mut self) {
        self.nesting = Nesting::Read;
    }
}

impl<T: Serves, M: Message, S: Style<T, M>> Job<T> for VolatileJob<M, S> {
    fn run(self: Box<Self>, turn: Turn<T>) {
        if Job::<T>::is_gone(&*self) {
            turn.end();
            return;
        }
        run::<T, M, S>(turn, self.message, self.around, Origin::Volatile, self.to);
    }

    fn displace(self: Box<Self>, why: ClusterError) {
        self.to.fail(why);
    }

    fn hold(self: Box<Self>, _: &Arc<Slot<T>>, why: &ClusterError) {
        self.to.fail(why.clone());
    }

    fn is_gone(&self) -> bool {
        self.to.is_gone()
    }

    fn request(&self) -> Option<RequestId> {
        None
    }

    fn is_from_handler(&self) -> bool {
        // Accepted before the drain began.
        true
    }
}

/// A persisted request: durable, not yet ended.
pub(super) struct PersistedJob<M: Message, S> {
    pub(super) stored: Box<Stored>,
    /// `None` when it came from the storage, or runs again.
    pub(super) message: Option<M>,
    pub(super) to: To<M>,
    pub(super) style: PhantomData<fn() -> S>,
}

impl<M: Message, S> PersistedJob<M, S> {
    pub(super) fn new(stored: Box<Stored>, message: Option<M>, to: To<M>) -> Self {
        PersistedJob { stored, message, to, style: PhantomData }
    }
}

impl<M: Message, S: 'static> Queued for PersistedJob<M, S> {
    fn access(&self) -> Access {
        M::INFO.access
    }

    fn needs_quiet(&self) -> bool {
        // A reminder may be set anew or cleared by what is being committed.
        self.stored.transaction || self.stored.row.reminder.is_some()
    }

    fn seq(&self) -> Option<Seq> {
        Some(self.stored.row.seq)
    }

    fn nesting(&self) -> Nesting {
        self.stored.nesting
    }

    fn nest(&mut self) {
        self.stored.nesting = Nesting::Read;
    }
}

impl<T: Serves, M: Message, S: Style<T, M>> Job<T> for PersistedJob<M, S> {
    fn run(self: Box<Self>, turn: Turn<T>) {
        let PersistedJob { mut stored, message, to, .. } = *self;
        turn.slot.kind.shared.schedule.started(stored.row.seq);
        match turn.slot.kind.shared.cancels.asked(stored.row.id) {
            Asked::No => {}
            Asked::Leave => return leave(turn, &stored, to),
            Asked::End => {
                let slot = turn.slot.clone();
                let base = turn.base();
                turn.end();
                end_interrupted::<T, M, S>(&slot, stored, base, to);
                return;
            }
        }
        if message.is_none()
            && let Err(refusal) = check_serving(&turn, M::INFO, &stored)
        {
            return refuse::<T, M, S>(turn, refusal, stored, to);
        }
        if stored.parent.is_none() {
            // Who called may have joined it since it was loaded.
            stored.parent = turn.slot.kind.shared.waiters.caller(stored.row.id);
        }
        let message = match message.map_or_else(|| decode::<T, M>(&turn.slot, &stored), Ok) {
            Ok(message) => message,
            Err(error) => {
                let slot = turn.slot.clone();
                if !slot.kind.limits.strict_order {
                    slot.lock().is_back(stored.row.seq);
                }
                turn.end();
                return hold_unread(&slot, stored, &error, to);
            }
        };
        let around = Surroundings {
            headers: stored.row.headers.clone(),
            trace: Trace::of_stored(stored.row.trace.as_ref()),
            parent: stored.parent.clone(),
            uninterruptible: false,
        };
        if stored.transaction {
            run_in_transaction::<T, M, S>(turn, message, around, stored, to);
        } else {
            run::<T, M, S>(turn, message, around, Origin::Persisted(stored), to);
        }
    }

    fn displace(self: Box<Self>, why: ClusterError) {
        self.to.fail(why);
    }

    fn hold(self: Box<Self>, slot: &Arc<Slot<T>>, why: &ClusterError) {
        hold_unread(slot, self.stored, why, self.to);
    }

    fn is_gone(&self) -> bool {
        false
    }

    fn request(&self) -> Option<RequestId> {
        Some(self.stored.row.id)
    }

    fn is_from_handler(&self) -> bool {
        self.stored.parent.is_some()
    }
}

/// Holds a request for a binary that can read what this one cannot.
fn hold_unread<T: Serves, M: Message>(
    slot: &Arc<Slot<T>>,
    stored: Box<Stored>,
    why: &ClusterError,
    to: To<M>,
) {
    let missing = Missing::Contract(text(why));
    to.fail(held(stored.row.id, &missing));
    hold(&slot.kind.shared, stored.row, missing);
}

/// Why a stored request must not run.
enum Refusal {
    By(Refused),
    /// A filter has panicked.
    Panic(Box<dyn Any + Send>),
}

/// Asks the filters of the serving side, which may be others than when the request was accepted.
fn check_serving<T: Serves>(
    turn: &Turn<T>,
    message: &'static MessageInfo,
    stored: &Stored,
) -> Result<(), Refusal> {
    let filters = &turn.slot.kind.shared.serving_filters;
    let (entity_type, entity_id) = (&*turn.slot.kind.name, turn.slot.id());
    let call = CallInfo { entity_type, entity_id, message, headers: &stored.row.headers };
    let ask = || filters.iter().try_for_each(|filter| filter.check(&call));
    let asked = catch_unwind(AssertUnwindSafe(ask));
    asked.map_err(Refusal::Panic)?.map_err(Refusal::By)
}

/// Ends a stored request that must not run.
fn refuse<T: Serves, M: Message, S: Style<T, M>>(
    turn: Turn<T>,
    refusal: Refusal,
    stored: Box<Stored>,
    to: To<M>,
) {
    let (slot, base) = (turn.slot.clone(), turn.base());
    turn.end();
    let ran = match refusal {
        Refusal::By(refused) => {
            end_with_failure::<T, M, S>(&slot, stored, base, ClusterError::Refused(refused), to)
        }
        Refusal::Panic(panic) => {
            Origin::Persisted(stored).panicked::<T, M, S>(&slot, base, panic, to)
        }
    };
    drop(ran);
}

/// Its outcome is being written by who cancels it.
fn leave<T: Serves, M: Message>(turn: Turn<T>, stored: &Stored, to: To<M>) {
    let slot = turn.slot.clone();
    turn.end();
    slot.request_ended(stored.row.seq);
    to.fail(ClusterError::Interrupted);
}

/// Whether stored arguments can be read; where the user's code panics at it, that is for the run.
pub(super) fn reads<T: Serves, M: Message>(kind: &Kind<T>, arguments: &[u8]) -> bool {
    let schema = &kind.schemas.messages[M::INFO.index].arguments;
    catch_unwind(|| M::decode(arguments, schema).is_ok()).unwrap_or(true)
}

fn decode<T: Serves, M: Message>(slot: &Arc<Slot<T>>, stored: &Stored) -> Result<M, ClusterError> {
    let schema = &slot.kind.schemas.messages[M::INFO.index].arguments;
    M::decode(&stored.row.arguments, schema).map_err(|error| {
        decode_error(format!("the arguments of {} {}", slot.address(), M::INFO.name), error)
    })
}

/// Whether a request runs in the storage's transaction, as its user's function says. One that
/// panics says nothing, and the more careful way is right for both answers.
pub(super) fn wants_transaction(ask: impl FnOnce() -> bool) -> bool {
    catch_unwind(AssertUnwindSafe(ask)).unwrap_or(true)
}

/// The entry of the dispatch table for a stored request.
pub(super) fn load<T: Serves, M: Message, S: Style<T, M>>(
    slot: &Arc<Slot<T>>,
    pending: PendingRequest,
) -> Box<dyn Job<T>> {
    let parent = slot.kind.shared.waiters.caller(pending.request.id);
    let mut stored = Box::new(Stored::new(pending.request, pending.attempts, parent));
    stored.due_at = pending.due_at;
    stored.nesting = slot.nesting(stored.parent.as_ref());
    stored.transaction = M::INFO.transaction
        && wants_transaction(|| {
            decode::<T, M>(slot, &stored).is_ok_and(|message| message.transaction())
        });
    Box::new(PersistedJob::<M, S>::new(stored, None, To::Nobody))
}

/// Lets a caller wait for an outcome that some other run of the request will write.
pub(super) fn wait_for_outcome<T: Serves, M: Message>(
    slot: &Arc<Slot<T>>,
    (seq, request): (Seq, RequestId),
    caller: Option<Context>,
    to: To<M>,
) {
    if let To::Nobody = to {
        return;
    }
    let told = slot.kind.shared.waiters.wait(request, caller);
    slot.nest(seq, request);
    let (slot, kind) = (slot.clone(), slot.kind.clone());
    kind.shared.tasks.spawn_waiting(async move {
        let mut to = to;
        let told = tokio::select! {
            told = told => told,
            () = to.closed() => return,
        };
        let reply: ReplyOf<M> = match told {
            Ok(Ok(outcome)) => {
                let schema = &slot.kind.schemas.messages[M::INFO.index];
                read_reply::<M>(schema, &slot.address(), &outcome)
            }
            Ok(Err(error)) => Err(CallError::Cluster(error)),
            Err(_) => Err(CallError::Cluster(ClusterError::ShuttingDown)),
        };
        to.reply(reply);
    });
}
