//! The call that opens a stream: options, then a future.

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use super::opening::{Opened, Opening};
use super::streaming::Streaming;
use super::{Chunks, StreamMessage, StreamReceipt};
use crate::entity::Context;
use crate::entity::call::{Call, CallFuture};
use crate::entity::contract::Persisted;
use crate::entity::endpoint::Wanted;
use crate::entity::handle::Handle;
use crate::entity::options::Delivery;
use crate::entity::send::hand_over;
use crate::error::ClusterError;
use crate::storage::BoxFuture;

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

impl<M: StreamMessage + Persisted> StreamCall<M> {
    /// The idempotency key, as [`Call::key`]: the same key again reads the same stream on.
    ///
    /// # Errors
    /// As [`Call::key`].
    pub fn key(self, key: impl Into<String>) -> Self {
        StreamCall(self.0.key(key))
    }

    /// Hands the stream over without reading it: durable then, and made up to `stream_window`
    /// chunks. Sent by a handler it leaves with that handler's commit.
    ///
    /// # Errors
    /// What keeps the request from being accepted. Cancel safe.
    pub async fn send(self) -> Result<StreamReceipt<M>, ClusterError> {
        Ok(StreamReceipt::new(self.stored().send().await?))
    }
}

impl<M: StreamMessage> StreamCall<M> {
    fn stored(self) -> Call<Streaming<M>> {
        let Call { handle, message: Opening(message), options } = self.0;
        Call { handle, message: Streaming(message), options }
    }
}

/// Has the request accepted, also where a handler asks: it waits for the chunks.
async fn store<M: StreamMessage>(
    call: Call<Streaming<M>>,
) -> Result<StreamReceipt<M>, ClusterError> {
    let (shared, limit) = (call.handle.shared().clone(), call.limit());
    let parent = Context::current();
    let confirmation = parent.as_ref().and_then(Context::confirmation);
    let (handle, mut request) = call.request(parent, Wanted::Outcome)?;
    request.wanted = Wanted::HandOver;
    let numbered = request.numbered.take();
    let address = handle.address();
    let accepted = async {
        if let Some(confirmation) = confirmation {
            confirmation.await.unwrap_or(Err(ClusterError::Interrupted))?;
        }
        hand_over(&handle, request).await
    };
    let timeout = |_| ClusterError::Timeout { address, message: M::INFO.name, after: limit };
    let accepted = shared.clock.timeout(limit, accepted).await.map_err(timeout).flatten();
    if let (Some(numbered), Err(error)) = (numbered, &accepted) {
        numbered.failed(error);
    }
    let id = accepted?.expect("a persisted request has an id");
    Ok(StreamReceipt::of(shared, id))
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
        StreamFuture(match M::INFO.delivery {
            Delivery::Volatile => {
                let encodes = self.0.handle.shared().encodes_local_calls;
                let handle = encodes.then(|| self.0.handle.clone());
                Way::Open(self.0.into_future(), handle)
            }
            Delivery::Persisted => {
                Way::Store(Box::pin(async { Ok(store(self.stored()).await?.chunks()) }))
            }
        })
    }
}

/// A stream that is being opened. Dropping it cancels the handler's method, or ends its stream.
#[must_use = "futures do nothing unless polled"]
pub struct StreamFuture<M: StreamMessage>(Way<M>);

enum Way<M: StreamMessage> {
    /// With the entity's handle where chunks pass through encode and decode.
    Open(CallFuture<Opening<M>>, Option<Handle>),
    Store(BoxFuture<'static, Result<Chunks<M>, ClusterError>>),
}

impl<M: StreamMessage> Future for StreamFuture<M> {
    type Output = Result<Chunks<M>, ClusterError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Way::Open(opening, handle) => {
                let opened = ready!(Pin::new(opening).poll(cx));
                Poll::Ready(opened.map(|Opened(reader)| Chunks::new(reader, handle.take())))
            }
            Way::Store(storing) => storing.as_mut().poll(cx),
        }
    }
}

impl<M: StreamMessage> fmt::Debug for StreamFuture<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamFuture({})", M::INFO.name)
    }
}
