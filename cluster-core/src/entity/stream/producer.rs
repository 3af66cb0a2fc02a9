//! A handler's stream with what belongs to it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context as TaskContext, Poll};

use tracing::Span;

use super::{StreamMessage, StreamOf};
use crate::entity::pinned::Pinned;
use crate::entity::{Context, ReturnOf};
use crate::error::{ClusterError, panic_text};

/// A handler's stream, from its method's return to its end. Fields drop in order: the entity may
/// leave memory once the stream is gone.
pub(super) struct Producer<M: StreamMessage> {
    stream: StreamOf<M>,
    ctx: Context,
    span: Span,
    pinned: Pinned,
}

/// What one poll of a handler's stream came to; a panic is caught.
pub(super) type Polled<M> = Result<Poll<Option<ReturnOf<M>>>, Box<dyn Any + Send>>;

impl<M: StreamMessage> Producer<M> {
    /// The stream of the handler whose context is given, in its turn.
    pub(super) fn new(stream: StreamOf<M>, ctx: &Context) -> Self {
        Producer {
            stream,
            ctx: ctx.of_stream(None),
            span: Span::current(),
            pinned: Pinned::new(ctx.entity()),
        }
    }

    /// One poll as the current handler. Whoever polls is who waits for it, so calls made in it that
    /// would wait for that handler are refused.
    pub(super) fn poll(&mut self, cx: &mut TaskContext<'_>) -> Polled<M> {
        if !self.ctx.is_called_by_current() {
            self.ctx = self.ctx.of_stream(Context::current());
        }
        let Producer { stream, ctx, span, .. } = self;
        let poll = || span.in_scope(|| ctx.enter(|| stream.as_mut().poll_next(cx)));
        catch_unwind(AssertUnwindSafe(poll))
    }

    /// What its reader is told when no run of the handler could end.
    pub(super) fn gives_up(&self, reason: String) -> ClusterError {
        let (address, message) = (self.ctx.address().clone(), M::INFO.name.to_owned());
        ClusterError::Defect { address, message, attempts: 1, reason }
    }

    /// What its reader is told of a panic.
    pub(super) fn defect(&self, panic: &(dyn Any + Send)) -> ClusterError {
        let (entity, method) = (self.ctx.address(), M::INFO.name);
        let reason = panic_text(panic);
        self.pinned.entity().count_panic();
        tracing::error!(%entity, method, reason, "a stream panicked");
        self.gives_up(reason)
    }
}
