//! What generated code calls besides the traits that it implements.

use std::error::Error;
use std::marker::PhantomData;
use std::sync::Arc;

use super::{Context, MessageSchema, Unstored};
use crate::contract::TraceError;
use crate::error::Source;

/// The context of a plain handler that takes one.
pub fn context(given: Option<&Context>) -> &Context {
    given.expect("a context is given where `MessageInfo::context` asks for one")
}

/// Traces the shapes of messages.
///
/// # Errors
/// [`TraceError`] names the first type that the codec cannot carry.
pub fn schemas(
    messages: &[fn() -> Result<MessageSchema, TraceError>],
) -> Result<Vec<MessageSchema>, TraceError> {
    messages.iter().map(|of| of()).collect()
}

/// What an `#[activate]` or `#[deactivate]` method may return.
#[diagnostic::on_unimplemented(
    message = "a life-cycle hook cannot return `{Self}`",
    label = "a hook returns nothing or `Result<(), E>`",
    note = "`E` is anything that converts to `Box<dyn Error + Send + Sync>`"
)]
pub trait HookResult {
    /// What the runtime is told.
    ///
    /// # Errors
    /// The hook's error.
    fn into_result(self) -> Result<(), Source>;
}

impl HookResult for () {
    fn into_result(self) -> Result<(), Source> {
        Ok(())
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> HookResult for Result<(), E> {
    fn into_result(self) -> Result<(), Source> {
        self.map_err(|error| Arc::from(error.into()))
    }
}

/// Asks of a reply type whether it is a `Result` under a name that does not say so. Its `Err` would
/// be stored as a value and would not roll back.
///
/// A macro cannot see through an alias, and a trait cannot be implemented for all types but one.
/// Method lookup can tell: it finds the method of `Returned<Result<_, _>>` before the trait's.
#[derive(Debug)]
pub struct Returned<R>(PhantomData<fn() -> R>);

impl<R> Returned<R> {
    /// Asks of `R`.
    pub const ASK: Self = Returned(PhantomData);
}

impl<T, E> Returned<Result<T, E>> {
    /// Never to be called: `Result` is no [`PlainValue`].
    pub fn plain(self)
    where
        Result<T, E>: PlainValue,
    {
    }
}

/// Asks of an entity whether a handler that may change it can reply later.
#[derive(Debug)]
pub struct Changed<T>(PhantomData<fn() -> T>);

impl<T> Changed<T> {
    /// Asks of `T`.
    pub const ASK: Self = Changed(PhantomData);

    /// It can, as nothing of it is stored.
    pub fn replies_later(self)
    where
        T: Unstored,
    {
    }
}

/// The answer of every other type.
pub trait ReturnedPlain: Sized {
    /// It is plain.
    fn plain(self) {}
}

impl<R> ReturnedPlain for Returned<R> {}

/// Implemented by nothing.
#[diagnostic::on_unimplemented(
    message = "this reply type is `{Self}` under another name",
    label = "its `Err` would be stored as a value",
    note = "write `Result<T, E>` itself, or an alias named `..Result<..>` with arguments"
)]
pub trait PlainValue {}
