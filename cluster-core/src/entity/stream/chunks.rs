//! The reader's side of an open stream.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tokio::task::coop;

use super::StreamMessage;
use super::open::Reader;
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
pub struct Chunks<M: StreamMessage>(Option<Reader<M>>);

impl<M: StreamMessage> Chunks<M> {
    pub(super) fn new(reader: Reader<M>) -> Self {
        Chunks(Some(reader))
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
        let Some(reader) = &self.0 else { return Poll::Ready(None) };
        // A stream that always has a chunk must still let its reader's worker run other tasks.
        let budget = ready!(coop::poll_proceed(cx));
        let chunk = ready!(reader.poll(cx));
        budget.made_progress();
        if !matches!(chunk, Some(Ok(_))) {
            self.0 = None;
        }
        Poll::Ready(chunk.map(<M::Outcome as Outcome>::reply))
    }
}

impl<M: StreamMessage> fmt::Debug for Chunks<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.0.is_some() { "open" } else { "ended" };
        write!(f, "Chunks({}, {state})", M::INFO.name)
    }
}
