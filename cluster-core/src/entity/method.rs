//! The dispatch table: one entry for each message, made by the macros, run by the slot.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::Context;
use super::conclude::conclude;
use super::contract::{Message, Serves};
use super::encoded::start_encoded;
use super::job::{Job, load, reads};
use super::kind::Kind;
use super::later::Parcels;
use super::options::Access;
use super::origin::Origin;
use super::outcome::Outcome;
use super::run::{Ran, To, start};
use super::slot::Slot;
use super::turn::Turn;
use crate::storage::PendingRequest;

/// What a message's handler returns.
pub type ReturnOf<M> = <<M as Message>::Outcome as Outcome>::Return;

/// `async fn handler(&mut self, ..)`.
pub trait Exclusive<T>: Message {
    /// Runs the handler.
    fn run<'a>(
        self,
        entity: &'a mut T,
        ctx: &'a Context,
    ) -> impl Future<Output = ReturnOf<Self>> + Send + 'a;
}

/// `async fn handler(&self, ..)`.
pub trait Shared<T>: Message {
    /// Runs the handler.
    fn run<'a>(
        self,
        entity: &'a T,
        ctx: &'a Context,
    ) -> impl Future<Output = ReturnOf<Self>> + Send + 'a;
}

/// `fn handler(&mut self, ..)`: runs without an allocation.
pub trait ExclusiveFn<T>: Message {
    /// Runs the handler; `ctx` is given where `INFO.context` says so.
    fn run(self, entity: &mut T, ctx: Option<&Context>) -> ReturnOf<Self>;
}

/// `fn handler(&self, ..)`: runs without an allocation.
pub trait SharedFn<T>: Message {
    /// Runs the handler; `ctx` is given where `INFO.context` says so.
    fn run(self, entity: &T, ctx: Option<&Context>) -> ReturnOf<Self>;
}

/// An entry of the dispatch table of entity `T`.
pub struct Method<T: Serves> {
    /// Starts a typed request that waits in an exchange of the message.
    pub(super) start: fn(Arc<Slot<T>>, &mut dyn Any),
    /// The same where local calls pass through encode and decode.
    start_encoded: fn(Arc<Slot<T>>, &mut dyn Any),
    /// Makes a stored request ready for the mailbox.
    pub(super) load: fn(&Arc<Slot<T>>, PendingRequest) -> Box<dyn Job<T>>,
    /// Whether stored arguments can be read.
    pub(super) reads: fn(&Kind<T>, &[u8]) -> bool,
}

impl<T: Serves> Method<T> {
    /// The entry of an `async fn` with `&mut self`.
    pub const fn exclusive<M: Exclusive<T>>() -> Self {
        Self::of::<M, AsyncMut>()
    }

    /// The entry of an `async fn` with `&self`.
    pub const fn shared<M: Shared<T>>() -> Self {
        Self::of::<M, AsyncRef>()
    }

    /// The entry of a plain `fn` with `&mut self`.
    pub const fn exclusive_fn<M: ExclusiveFn<T>>() -> Self {
        Self::of::<M, PlainMut>()
    }

    /// The entry of a plain `fn` with `&self`.
    pub const fn shared_fn<M: SharedFn<T>>() -> Self {
        Self::of::<M, PlainRef>()
    }

    pub(super) const fn of<M: Message, S: Style<T, M>>() -> Self {
        Method {
            start: start::<T, M, S>,
            start_encoded: start_encoded::<T, M, S>,
            load: load::<T, M, S>,
            reads: reads::<T, M>,
        }
    }

    /// The entry for a cluster that encodes local calls.
    pub(super) fn encoded(self) -> Self {
        Method { start: self.start_encoded, ..self }
    }
}

impl<T: Serves> Clone for Method<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Serves> Copy for Method<T> {}

impl<T: Serves> fmt::Debug for Method<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Method")
    }
}

/// How a handler is called: one of the four forms.
pub(super) trait Style<T: Serves, M: Message>: Sized + Send + 'static {
    const ACCESS: Access;
    /// A plain `fn`: [`Style::call`] runs it, otherwise [`Style::future`] does.
    const PLAIN: bool;

    fn call(message: M, entity: &mut Arc<T>, ctx: Option<&Context>) -> ReturnOf<M>;

    fn future<'a>(
        message: M,
        entity: &'a mut Arc<T>,
        ctx: &'a Context,
    ) -> impl Future<Output = ReturnOf<M>> + Send + 'a;

    /// What follows from the returned value.
    #[inline]
    fn conclude(
        turn: Turn<T>,
        returned: ReturnOf<M>,
        ctx: Option<&Context>,
        parcels: Parcels,
        origin: Origin,
        to: To<M>,
    ) -> Ran<M> {
        conclude::<T, M, Self>(turn, returned, ctx, parcels, origin, to)
    }
}

/// The only owner of an entity: an exclusive turn.
pub(super) fn owned<T>(entity: &mut Arc<T>) -> &mut T {
    Arc::get_mut(entity).expect("an exclusive turn is the only owner")
}

pub(super) struct PlainMut;
pub(super) struct PlainRef;
pub(super) struct AsyncMut;
pub(super) struct AsyncRef;

impl<T: Serves, M: ExclusiveFn<T>> Style<T, M> for PlainMut {
    const ACCESS: Access = Access::Exclusive;
    const PLAIN: bool = true;

    #[inline]
    fn call(message: M, entity: &mut Arc<T>, ctx: Option<&Context>) -> ReturnOf<M> {
        message.run(owned(entity), ctx)
    }

    async fn future<'a>(message: M, entity: &'a mut Arc<T>, ctx: &'a Context) -> ReturnOf<M> {
        message.run(owned(entity), Some(ctx))
    }
}

impl<T: Serves, M: SharedFn<T>> Style<T, M> for PlainRef {
    const ACCESS: Access = Access::Shared;
    const PLAIN: bool = true;

    #[inline]
    fn call(message: M, entity: &mut Arc<T>, ctx: Option<&Context>) -> ReturnOf<M> {
        message.run(entity, ctx)
    }

    async fn future<'a>(message: M, entity: &'a mut Arc<T>, ctx: &'a Context) -> ReturnOf<M> {
        message.run(entity, Some(ctx))
    }
}

impl<T: Serves, M: Exclusive<T>> Style<T, M> for AsyncMut {
    const ACCESS: Access = Access::Exclusive;
    const PLAIN: bool = false;

    fn call(_: M, _: &mut Arc<T>, _: Option<&Context>) -> ReturnOf<M> {
        unreachable!("an async handler is run as a future")
    }

    fn future<'a>(
        message: M,
        entity: &'a mut Arc<T>,
        ctx: &'a Context,
    ) -> impl Future<Output = ReturnOf<M>> + Send + 'a {
        message.run(owned(entity), ctx)
    }
}

impl<T: Serves, M: Shared<T>> Style<T, M> for AsyncRef {
    const ACCESS: Access = Access::Shared;
    const PLAIN: bool = false;

    fn call(_: M, _: &mut Arc<T>, _: Option<&Context>) -> ReturnOf<M> {
        unreachable!("an async handler is run as a future")
    }

    fn future<'a>(
        message: M,
        entity: &'a mut Arc<T>,
        ctx: &'a Context,
    ) -> impl Future<Output = ReturnOf<M>> + Send + 'a {
        message.run(entity, ctx)
    }
}
