//! An open stream between its reader and the runner: either may end it.

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};

use parking_lot::Mutex;

use super::producer::Producer;
use super::registry::{AnyOpen, Place};
use super::{StreamMessage, StreamOf};
use crate::entity::Context;
use crate::entity::endpoint::ReplyOf;
use crate::entity::outcome::{Outcome, Verdict};
use crate::entity::slot::discard;
use crate::error::{CallError, ClusterError};

/// An open stream. The lock is held for a few moves only: who polls takes the producer out.
pub(super) struct Open<M: StreamMessage>(Mutex<State<M>>);

struct State<M: StreamMessage> {
    /// `None` while the reader polls it, and once it has ended.
    producer: Option<Box<Producer<M>>>,
    /// Who waits for the next chunk.
    waker: Option<Waker>,
    closed: bool,
}

impl<M: StreamMessage> Open<M> {
    fn take(&self) -> Option<Box<Producer<M>>> {
        self.0.lock().producer.take()
    }

    /// Puts the producer back.
    ///
    /// # Errors
    /// The stream was closed meanwhile; the producer is to be dropped.
    fn put_back(
        &self,
        producer: Box<Producer<M>>,
        waker: Option<&Waker>,
    ) -> Result<(), Box<Producer<M>>> {
        let mut state = self.0.lock();
        if state.closed {
            return Err(producer);
        }
        state.producer = Some(producer);
        if let Some(waker) = waker {
            match &mut state.waker {
                Some(known) => known.clone_from(waker),
                none => *none = Some(waker.clone()),
            }
        }
        Ok(())
    }
}

impl<M: StreamMessage> AnyOpen for Open<M> {
    fn close(&self) {
        let (producer, waker) = {
            let mut state = self.0.lock();
            state.closed = true;
            (state.producer.take(), state.waker.take())
        };
        producer.into_iter().for_each(discard);
        waker.into_iter().for_each(Waker::wake);
    }
}

/// The reader's hold on an open stream; dropped, it ends the stream.
pub(super) struct Reader<M: StreamMessage> {
    open: Arc<Open<M>>,
    /// `None` where the runner had ended before.
    place: Option<Place>,
}

impl<M: StreamMessage> Reader<M> {
    /// Opens what a handler has returned, in its turn.
    pub(super) fn new(stream: StreamOf<M>, ctx: &Context) -> Self {
        let producer = Some(Box::new(Producer::new(stream, ctx)));
        let open = Arc::new(Open(Mutex::new(State { producer, waker: None, closed: false })));
        let place = ctx.shared().streams.enter(open.clone());
        Reader { open, place }
    }

    /// The next chunk. After anything but a value the stream is over and this is to be dropped.
    pub(super) fn poll(&self, cx: &mut TaskContext<'_>) -> Poll<Option<ReplyOf<M>>> {
        let closed = || Poll::Ready(Some(Err(CallError::Cluster(ClusterError::ShuttingDown))));
        let Some(mut producer) = self.open.take() else { return closed() };
        let end = match producer.poll(cx) {
            Ok(Poll::Pending) => match self.open.put_back(producer, Some(cx.waker())) {
                Ok(()) => return Poll::Pending,
                Err(producer) => {
                    discard(producer);
                    return closed();
                }
            },
            Ok(Poll::Ready(Some(chunk))) => match <M::Outcome as Outcome>::verdict(chunk) {
                Verdict::Ok(value) => {
                    // Closed meanwhile, it says so at the next poll.
                    self.open.put_back(producer, None).unwrap_or_else(discard);
                    return Poll::Ready(Some(Ok(value)));
                }
                Verdict::Err(error) => Some(Err(CallError::Entity(error))),
                Verdict::Retry(error) => Some(Err(CallError::Cluster(error))),
                Verdict::GiveUp(reason) => Some(Err(CallError::Cluster(producer.gives_up(reason)))),
            },
            Ok(Poll::Ready(None)) => None,
            Err(panic) => Some(Err(CallError::Cluster(producer.defect(&*panic)))),
        };
        discard(producer);
        Poll::Ready(end)
    }
}

impl<M: StreamMessage> Drop for Reader<M> {
    fn drop(&mut self) {
        drop(self.place.take());
        // Not left to the last hold: what the handler streams from may panic while it is dropped.
        self.open.close();
    }
}
