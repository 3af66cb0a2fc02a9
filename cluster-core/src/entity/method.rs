//! The dispatch table: one entry for each message, made by the macros, run by the instance.

use super::contract::{Message, Serves};
use super::outcome::Outcome;
use super::Context;

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
#[derive(Debug)]
pub struct Method<T> {
    _of: std::marker::PhantomData<fn() -> T>,
}

impl<T: Serves> Method<T> {
    /// The entry of an `async fn` with `&mut self`.
    pub const fn exclusive<M: Exclusive<T>>() -> Self {
        Method { _of: std::marker::PhantomData }
    }

    /// The entry of an `async fn` with `&self`.
    pub const fn shared<M: Shared<T>>() -> Self {
        Method { _of: std::marker::PhantomData }
    }

    /// The entry of a plain `fn` with `&mut self`.
    pub const fn exclusive_fn<M: ExclusiveFn<T>>() -> Self {
        Method { _of: std::marker::PhantomData }
    }

    /// The entry of a plain `fn` with `&self`.
    pub const fn shared_fn<M: SharedFn<T>>() -> Self {
        Method { _of: std::marker::PhantomData }
    }
}
