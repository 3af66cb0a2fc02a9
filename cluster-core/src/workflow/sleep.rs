//! A wait for time that outlives the process.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use super::pending::Pending;

/// The future of [`Workflow::sleep`](super::Workflow::sleep). Dropped, it is not waited for any
/// more.
#[must_use = "a sleep does nothing until it is awaited"]
pub struct Sleep(Pending);

impl Sleep {
    pub(super) fn new(pending: Pending) -> Self {
        Sleep(pending)
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        self.0.poll_end(cx).map(drop)
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sleep({})", self.0.command)
    }
}
