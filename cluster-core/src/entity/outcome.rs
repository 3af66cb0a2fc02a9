//! What handlers return, as types: a plain value, `Result<T, E>`, or `Result<T, CallError<E>>`.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use super::Wire;
use crate::error::{CallError, ClusterError};

/// The error of a handler that returns a plain value: there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum NoError {}

/// What a handler's return value says.
#[derive(Debug)]
pub enum Verdict<T, E> {
    /// The outcome is this value.
    Ok(T),
    /// The outcome is this error; the state rolls back.
    Err(E),
    /// No outcome: the state rolls back, a persisted request runs again with back-off.
    Retry(ClusterError),
}

/// A handler's return type, taken apart. Implemented by the three markers that generated code picks
/// by the spelling of the return type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Result`",
    label = "a return type named `..Result` must be an alias of `Result`",
    note = "return `Result<T, E>`, `Result<T, CallError<E>>` or a plain value"
)]
pub trait Outcome: 'static {
    /// The handler's Rust return type.
    type Return: Send;
    /// Its value.
    type Ok: Wire;
    /// Its own error; [`NoError`] where it has none.
    type Err: Wire;
    /// What the client's call ends with.
    type Reply: Send;

    /// Reads the returned value.
    fn verdict(returned: Self::Return) -> Verdict<Self::Ok, Self::Err>;

    /// Makes the client's result.
    fn reply(result: Result<Self::Ok, CallError<Self::Err>>) -> Self::Reply;
}

/// A handler that returns a plain value.
#[derive(Debug)]
pub struct Plain<T>(PhantomData<fn() -> T>);

impl<T: Wire> Outcome for Plain<T> {
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

impl<T: Wire, E: Wire> Outcome for Fallible<Result<T, E>> {
    type Return = Result<T, E>;
    type Ok = T;
    type Err = E;
    type Reply = Result<T, CallError<E>>;

    fn verdict(returned: Result<T, E>) -> Verdict<T, E> {
        match returned {
            Ok(value) => Verdict::Ok(value),
            Err(error) => Verdict::Err(error),
        }
    }

    fn reply(result: Result<T, CallError<E>>) -> Self::Reply {
        result
    }
}

/// A handler that returns `Result<T, CallError<E>>`: its `Cluster` errors are no outcome.
#[derive(Debug)]
pub struct Lifted<R>(PhantomData<fn() -> R>);

impl<T: Wire, E: Wire> Outcome for Lifted<Result<T, CallError<E>>> {
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
