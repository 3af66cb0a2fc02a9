//! Polls a body, and hands it the ends of what it waits for.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};

use tokio::task::coop;

use super::ambient::in_body;
use super::running::{Running, Stop, Turn};
use crate::entity::Bell;
use crate::error::ClusterError;
use crate::time::{self, Timestamp};

/// A body under way. Nothing is pinned in it: the body is in a box.
pub(super) struct Drive<'a, R> {
    pub(super) run: Arc<Running>,
    pub(super) bell: Arc<Bell>,
    pub(super) body: Pin<Box<dyn Future<Output = R> + Send + 'a>>,
    /// What the body gave, while the journal is still on its way.
    pub(super) returned: Option<R>,
    /// When it is to be polled again, at the latest.
    pub(super) timer: Option<Timer>,
}

/// A timer for a time of day, as this was corrected when it was armed.
pub(super) struct Timer {
    due_at: Timestamp,
    ahead_ms: i64,
    sleep: time::Sleep,
}

impl<R> Unpin for Drive<'_, R> {}

impl<R> Future for Drive<'_, R> {
    type Output = Result<R, Stop>;

    /// Cancel safe: dropped, the execution stands as its journal says.
    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Result<R, Stop>> {
        let this = &mut *self;
        this.bell.listen(cx.waker());
        this.bell.set_waits(false);
        loop {
            this.run.completed(this.bell.take());
            if let Some(stop) = ready!(this.run.stopped()) {
                return Poll::Ready(Err(stop));
            }
            if this.returned.is_some() {
                return this.end();
            }
            if this.run.is_drained() {
                return Poll::Ready(Err(Stop::Again(ClusterError::ShuttingDown)));
            }
            if let Poll::Ready(returned) = in_body(&this.run, || this.body.as_mut().poll(cx)) {
                this.run.body_ended();
                this.returned = Some(returned);
                continue;
            }
            if !coop::has_budget_remaining() && this.run.may_be_unseen() {
                // What the body uses of the async runtime holds it up now, and it may not have
                // looked at what it was told last.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match this.run.turn() {
                Turn::Poll => {}
                Turn::Rest(due_at) => {
                    this.run.write();
                    ready!(this.rest(due_at, cx));
                }
            }
        }
    }
}

impl<R> Drive<'_, R> {
    /// What is recorded and not handed over goes with the outcome, but nothing may be on its way:
    /// would that fail, the outcome would stand without it.
    fn end(&mut self) -> Poll<Result<R, Stop>> {
        match self.run.is_quiet() {
            true => Poll::Ready(Ok(self.returned.take().expect("just seen"))),
            false => Poll::Pending,
        }
    }

    /// Waits for time, or for what wakes the task.
    fn rest(&mut self, due_at: Option<Timestamp>, cx: &mut TaskContext<'_>) -> Poll<()> {
        if self.run.is_drained() {
            return Poll::Ready(());
        }
        let Some(due_at) = due_at else {
            self.timer = None;
            return Poll::Pending;
        };
        let clock = &self.run.ctx.shared().clock;
        let ahead_ms = clock.ahead_ms();
        let is_right = |timer: &Timer| (timer.due_at, timer.ahead_ms) == (due_at, ahead_ms);
        if !self.timer.as_ref().is_some_and(is_right) {
            let sleep = clock.sleep(due_at.since(clock.wall()));
            self.timer = Some(Timer { due_at, ahead_ms, sleep });
        }
        if let Some(timer) = &mut self.timer {
            ready!(Pin::new(&mut timer.sleep).poll(cx));
        }
        // Looked at again: the time of day may not be there yet.
        self.timer = None;
        Poll::Ready(())
    }
}
