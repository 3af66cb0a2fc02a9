//! A value that comes from outside.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;

use super::pending::Pending;
use super::replay::End;
use super::shapes::schema_of;
use super::token::DeferredToken;
use crate::entity::{Wire, decode_error};
use crate::error::ClusterError;
use crate::storage::DeferredKind;

/// The future of [`Workflow::deferred`](super::Workflow::deferred): a value that somebody gives who
/// holds the token. Dropped, it is not waited for any more.
#[must_use = "a deferred does nothing until it is awaited"]
pub struct Deferred<T> {
    pending: Pending,
    value: PhantomData<fn() -> T>,
}

impl<T: Wire> Deferred<T> {
    pub(super) fn new(pending: Pending) -> Self {
        Deferred { pending, value: PhantomData }
    }

    /// By which it is completed, from anywhere.
    pub fn token(&self) -> DeferredToken<T> {
        let command = &self.pending.command;
        DeferredToken::new(self.pending.run.id.clone(), command.name.clone(), command.occurrence)
    }

    fn decode(&self, payload: &Bytes) -> Result<T, ClusterError> {
        let what = format!("the value of {} of {}", self.pending.command, self.pending.run.id);
        match schema_of::<T>() {
            Ok(schema) => T::decode(payload, &schema).map_err(|error| decode_error(what, error)),
            Err(error) => Err(ClusterError::Malformed { what, source: Arc::new(error) }),
        }
    }
}

impl<T: Wire> Future for Deferred<T> {
    type Output = Result<T, DeferredFailed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let (kind, payload) = match self.pending.poll_end(cx) {
            Poll::Ready(End::Completed(kind, payload)) => (kind, payload),
            Poll::Ready(_) => unreachable!("a deferred ends with a completion"),
            Poll::Pending => return Poll::Pending,
        };
        match kind {
            DeferredKind::Failed => {
                let reason = String::from_utf8_lossy(&payload).into_owned();
                Poll::Ready(Err(DeferredFailed { reason }))
            }
            DeferredKind::Value => match self.decode(&payload) {
                Ok(value) => Poll::Ready(Ok(value)),
                Err(error) => {
                    self.pending.run.stop_for_value(&error);
                    Poll::Pending
                }
            },
        }
    }
}

impl<T> fmt::Debug for Deferred<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Deferred({})", self.pending.command)
    }
}

/// A deferred was completed without a value, by [`Cluster::fail`](crate::cluster::Cluster::fail).
/// Where failures are to be typed, let the value be a `Result`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
#[non_exhaustive]
pub struct DeferredFailed {
    /// The reason that was given.
    pub reason: String,
}
