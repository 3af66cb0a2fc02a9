//! What handlers return, as types: a plain value, `Result<T, E>`, or `Result<T, CallError<E>>`.

use std::future::ready;
use std::marker::PhantomData;

use crate::error::{CallError, ClusterError, NoError};
use crate::storage::BoxFuture;

/// What a handler's return value says.
#[derive(Debug)]
pub enum Verdict<T, E> {
    /// The outcome is this value.
    Ok(T),
    /// The outcome is this error; the state rolls back.
    Err(E),
    /// No outcome: the state rolls back, a persisted request runs again with back-off.
    Retry(ClusterError),
    /// No outcome, and no run of this program could give one: a persisted request becomes a dead
    /// letter, for this reason.
    GiveUp(String),
}

/// A verdict that comes later; `None` when nobody is left who could give it.
pub type Answer<T, E> = BoxFuture<'static, Option<Verdict<T, E>>>;

/// A handler's return type, taken apart. Implemented by the three markers that generated code picks
/// by the spelling of the return type, and by [`Postponed`](super::Postponed) around one of them.
/// That value and error can travel is asked by [`Message`](super::Message), so that it is asked
/// once.
pub trait Outcome: 'static {
    /// The handler's Rust return type.
    type Return: Send;
    /// Its value.
    type Ok: Send + 'static;
    /// Its own error; [`NoError`] where it has none.
    type Err: Send + 'static;
    /// What the client's call ends with.
    type Reply: Send;

    /// Whether the value comes later than the handler returns.
    const LATER: bool = false;

    /// Reads the returned value.
    fn verdict(returned: Self::Return) -> Verdict<Self::Ok, Self::Err>;

    /// Waits for the value, where it comes later.
    fn answer(returned: Self::Return) -> Answer<Self::Ok, Self::Err> {
        Box::pin(ready(Some(Self::verdict(returned))))
    }

    /// Makes the client's result.
    fn reply(result: Result<Self::Ok, CallError<Self::Err>>) -> Self::Reply;
}

/// A handler that returns a plain value.
#[derive(Debug)]
pub struct Plain<T>(PhantomData<fn() -> T>);

impl<T: Send + 'static> Outcome for Plain<T> {
    type Return = T;
    type Ok = T;
    type Err = NoError;
    type Reply = Result<T, ClusterError>;

    fn verdict(returned: T) -> Verdict<T, NoError> {
        Verdict::Ok(returned)
    }

    fn reply(result: Result<T, CallError<NoError>>) -> Self::Reply {
        result.map_err(|error| match error {
            CallError::Cluster(error) => error,
            CallError::Entity(never) => match never {},
        })
    }
}

/// A handler that returns `Result<T, E>`, also through an alias.
#[derive(Debug)]
pub struct Fallible<R>(PhantomData<fn() -> R>);

impl<R: AnyResult> Outcome for Fallible<R> {
    type Return = R;
    type Ok = R::Ok;
    type Err = R::Err;
    type Reply = Result<R::Ok, CallError<R::Err>>;

    fn verdict(returned: R) -> Verdict<R::Ok, R::Err> {
        match returned.into_result() {
            Ok(value) => Verdict::Ok(value),
            Err(error) => Verdict::Err(error),
        }
    }

    fn reply(result: Result<R::Ok, CallError<R::Err>>) -> Self::Reply {
        result
    }
}

/// `Result`, seen through any alias.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Result`",
    label = "its name says that it is one",
    note = "a return type named `Result`, or `..Result<..>` with arguments, is taken for one",
    note = "name another type by an alias that does not end in `Result`"
)]
pub trait AnyResult: Send + 'static {
    /// Its value.
    type Ok: Send + 'static;
    /// Its error.
    type Err: Send + 'static;
    /// How it is taken apart.
    type Outcome: Outcome<Ok = Self::Ok, Err = Self::Err, Return = Self>;

    /// The result itself.
    fn into_result(self) -> Result<Self::Ok, Self::Err>;
}

impl<T: Send + 'static, E: Send + 'static> AnyResult for Result<T, E> {
    type Ok = T;
    type Err = E;
    type Outcome = Fallible<Self>;

    fn into_result(self) -> Result<T, E> {
        self
    }
}

/// A handler that returns `Result<T, CallError<E>>`: its `Cluster` errors are no outcome.
#[derive(Debug)]
pub struct Lifted<R>(PhantomData<fn() -> R>);

impl<T: Send + 'static, E: Send + 'static> Outcome for Lifted<Result<T, CallError<E>>> {
    type Return = Result<T, CallError<E>>;
    type Ok = T;
    type Err = E;
    type Reply = Result<T, CallError<E>>;

    fn verdict(returned: Result<T, CallError<E>>) -> Verdict<T, E> {
        match returned {
            Ok(value) => Verdict::Ok(value),
            Err(CallError::Entity(error)) => Verdict::Err(error),
            Err(CallError::Cluster(error)) => Verdict::Retry(error),
        }
    }

    fn reply(result: Result<T, CallError<E>>) -> Self::Reply {
        result
    }
}
