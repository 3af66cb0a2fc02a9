//! The reader's side of an open stream.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tokio::task::coop;

use super::StreamMessage;
use super::open::Reader;
use super::receipt::Read;
use crate::entity::encoded::travelled;
use crate::entity::handle::Handle;
use crate::entity::outcome::Outcome;

/// The chunks of an open stream, in order, then its end: `None`, or one error and then `None`.
///
/// The reader sets the pace: in one process a chunk is made when it is asked for, so that one that
/// stops reading holds the handler's stream where it is, with no chunk in memory, and holds up
/// nobody else. Dropping it ends the handler's stream at once. While it is held the entity stays in
/// memory; when the cluster shuts down and `drain_limit` is over, it ends with
/// [`ClusterError::ShuttingDown`](crate::error::ClusterError::ShuttingDown).
///
/// A panic in the handler's stream ends it with
/// [`ClusterError::Defect`](crate::error::ClusterError::Defect).
#[must_use = "a stream that is dropped has ended"]
pub struct Chunks<M: StreamMessage> {
    from: From<M>,
    position: u64,
}

enum From<M: StreamMessage> {
    /// With the entity's handle where chunks pass through encode and decode.
    Handler(Reader<M>, Option<Handle>),
    Storage(Read<M>),
    /// It has ended.
    Nowhere,
}

impl<M: StreamMessage> Chunks<M> {
    pub(super) fn new(reader: Reader<M>, encoding: Option<Handle>) -> Self {
        Chunks { from: From::Handler(reader, encoding), position: 0 }
    }

    pub(super) fn stored(read: Read<M>) -> Self {
        Chunks { from: From::Storage(read), position: 0 }
    }

    /// The number of the last chunk that was read; zero before the first. A persisted stream can be
    /// read on from there, see [`StreamReceipt::chunks_after`](super::StreamReceipt::chunks_after).
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next chunk; `None` at the end. The same as `next` of `StreamExt`, without an import.
    /// Cancel safe: no chunk is lost.
    pub async fn next(&mut self) -> Option<<M::Outcome as Outcome>::Reply> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<M: StreamMessage> Stream for Chunks<M> {
    type Item = <M::Outcome as Outcome>::Reply;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        // A stream that always has a chunk must still let its reader's worker run other tasks.
        let budget = ready!(coop::poll_proceed(cx));
        let chunk = match &mut this.from {
            From::Handler(reader, encoding) => {
                let mut chunk = ready!(reader.poll(cx));
                if let Some(handle) = encoding {
                    chunk = chunk.map(|chunk| travelled::<M>(handle, chunk));
                }
                this.position += u64::from(matches!(chunk, Some(Ok(_))));
                chunk
            }
            From::Storage(read) => match ready!(read.as_mut().poll_next(cx)) {
                Some((number, chunk)) => {
                    this.position = this.position.max(number);
                    Some(chunk)
                }
                None => None,
            },
            From::Nowhere => None,
        };
        budget.made_progress();
        if !matches!(chunk, Some(Ok(_))) {
            this.from = From::Nowhere;
        }
        Poll::Ready(chunk.map(<M::Outcome as Outcome>::reply))
    }
}

impl<M: StreamMessage> fmt::Debug for Chunks<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if matches!(self.from, From::Nowhere) { "ended" } else { "open" };
        write!(f, "Chunks({}, {state})", M::INFO.name)
    }
}
