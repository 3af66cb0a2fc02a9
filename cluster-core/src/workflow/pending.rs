//! A body's wait for the end of one command.

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use super::replay::{Command, End};
use super::running::Running;

/// A command that has not ended for the body. Dropped, it is not waited for any more.
pub(super) struct Pending {
    pub(super) run: Arc<Running>,
    pub(super) command: Command,
    over: bool,
}

impl Pending {
    pub(super) fn new(run: Arc<Running>, command: Command) -> Self {
        Pending { run, command, over: false }
    }

    /// Whether a step may begin; see [`Running::may_begin`].
    pub(super) fn may_begin(&self) -> bool {
        self.run.may_begin(&self.command)
    }

    /// Cancel safe.
    pub(super) fn poll_end(&mut self, cx: &mut TaskContext<'_>) -> Poll<End> {
        assert!(!self.over, "{} was polled after it ended", self.command);
        let end = self.run.poll_end(&self.command, cx);
        self.over = end.is_ready();
        end
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.over {
            self.run.forget(&self.command);
        }
    }
}
