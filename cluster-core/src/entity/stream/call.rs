//! The call that opens a stream: options, then a future.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::opening::{Opened, Opening};
use super::{Chunks, StreamMessage};
use crate::entity::call::{Call, CallFuture};
use crate::entity::handle::Handle;
use crate::error::ClusterError;

/// A stream that has not been opened yet: set options, then `.await` it for its [`Chunks`]. Dropped
/// before that, it does nothing.
#[must_use = "a stream is opened when this is awaited"]
pub struct StreamCall<M: StreamMessage>(Call<Opening<M>>);

impl Handle {
    /// The call that opens one of the contract's streams; does nothing until awaited.
    pub fn stream<M: StreamMessage>(&self, message: M) -> StreamCall<M> {
        StreamCall(Call::new(self.clone(), Opening(message)))
    }
}

impl<M: StreamMessage> StreamCall<M> {
    /// How long to wait until the stream is open, instead of the message's or the cluster's
    /// default. How long chunks take, and whether more come at all, has no limit.
    pub fn timeout(self, limit: Duration) -> Self {
        StreamCall(self.0.timeout(limit))
    }

    /// Sets a header, as [`Call::header`] does.
    ///
    /// # Errors
    /// As [`Call::header`].
    pub fn header(self, name: impl Into<Box<str>>, value: impl Into<Box<str>>) -> Self {
        StreamCall(self.0.header(name, value))
    }

    /// Sets a header that the handler passes on with its calls, as [`Call::inherited_header`] does.
    ///
    /// # Errors
    /// As [`Call::inherited_header`].
    pub fn inherited_header(self, name: impl Into<Box<str>>, value: impl Into<Box<str>>) -> Self {
        StreamCall(self.0.inherited_header(name, value))
    }
}

impl<M: StreamMessage> fmt::Debug for StreamCall<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream{:?}", self.0)
    }
}

impl<M: StreamMessage> IntoFuture for StreamCall<M> {
    type Output = Result<Chunks<M>, ClusterError>;
    type IntoFuture = StreamFuture<M>;

    fn into_future(self) -> StreamFuture<M> {
        StreamFuture(self.0.into_future())
    }
}

/// A stream that is being opened. Dropping it cancels the handler's method, or ends its stream.
#[must_use = "futures do nothing unless polled"]
pub struct StreamFuture<M: StreamMessage>(CallFuture<Opening<M>>);

impl<M: StreamMessage> Future for StreamFuture<M> {
    type Output = Result<Chunks<M>, ClusterError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let opened = Pin::new(&mut self.0).poll(cx);
        opened.map_ok(|Opened(reader)| Chunks::new(reader))
    }
}

impl<M: StreamMessage> fmt::Debug for StreamFuture<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream{:?}", self.0)
    }
}
