//! Where typed calls and untyped slots meet, without a box.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::context::{Context, Numbered};
use super::contract::Message;
use super::shared::Shared;
use super::trace::Trace;
use crate::error::{CallError, ClusterError};
use crate::id::{Address, Key, RequestId};
use crate::message::Headers;
use crate::time::Timestamp;

/// The value of a message's outcome.
pub(crate) type OkOf<M> = <M as Message>::Ok;
/// The error of a message's outcome.
pub(crate) type ErrOf<M> = <M as Message>::Err;
/// How a call ends inside the runtime.
pub(crate) type ReplyOf<M> = Result<OkOf<M>, CallError<ErrOf<M>>>;

/// An entity as handles know it.
pub(crate) trait Endpoint: Send + Sync {
    /// Starts the request in an [`Exchange`] of the method's message; leaves its answer there.
    fn start(self: Arc<Self>, method: usize, exchange: &mut dyn Any);

    fn address(&self) -> Address;

    fn shared(&self) -> &Arc<Shared>;

    /// Whether the entity is kept alive.
    fn is_kept_alive(&self) -> bool;

    /// There may be room in memory for the entity, which waits for it.
    fn place_is_free(self: Arc<Self>);

    /// Keeps the entity in memory until [`Endpoint::unpin`] was called as often.
    fn pin(&self);

    fn unpin(&self);

    /// Counts a panic of the entity's code.
    fn count_panic(&self);
}

/// A request before it reached its entity.
pub(crate) struct Request<M> {
    pub(super) message: M,
    pub(super) headers: Headers,
    pub(super) trace: Trace,
    pub(super) key: Option<Key>,
    /// Of a derived key.
    pub(super) numbered: Option<Box<Numbered>>,
    /// When it may start.
    pub(super) due: Option<DueSpec>,
    /// The handler that calls.
    pub(super) parent: Option<Context>,
    /// Whether the caller waits for the outcome, or only until the request is handed over.
    pub(super) wanted: Wanted,
    /// It goes on when its caller goes away.
    pub(super) uninterruptible: bool,
}

/// When a request may start, as its caller says.
#[derive(Debug, Clone, Copy)]
pub(crate) enum DueSpec {
    At(Timestamp),
    After(Duration),
}

impl DueSpec {
    /// The time, when it is now.
    pub(super) fn at(self, now: Timestamp) -> Timestamp {
        match self {
            DueSpec::At(at) => at,
            DueSpec::After(delay) => now.after(delay),
        }
    }
}

/// What the caller waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The outcome.
    Outcome,
    /// That the request is durable, or in the mailbox.
    HandOver,
}

/// Carries a request in and its answer out.
pub(crate) enum Exchange<M: Message> {
    Request(Request<M>),
    /// The call has ended.
    Reply(ReplyOf<M>),
    /// It ends later.
    Later(oneshot::Receiver<ReplyOf<M>>),
    /// A volatile request is in the mailbox, or is not.
    HandedOver(Result<(), ClusterError>),
    /// A persisted request will be durable.
    Accepting(oneshot::Receiver<Result<RequestId, ClusterError>>),
    Empty,
}

impl<M: Message> Exchange<M> {
    pub(super) fn take_request(exchange: &mut dyn Any) -> Option<(&mut Self, Request<M>)> {
        let exchange = exchange.downcast_mut::<Self>()?;
        match std::mem::replace(exchange, Exchange::Empty) {
            Exchange::Request(request) => Some((exchange, request)),
            _ => None,
        }
    }
}
