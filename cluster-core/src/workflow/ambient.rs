//! What the current poll belongs to: the body of an execution, one of its steps, or neither.

use std::cell::RefCell;
use std::sync::Arc;

use super::running::Running;
use crate::id::Key;

/// What is polled on this thread.
#[derive(Clone)]
enum Ambient {
    Body(Arc<Running>),
    Step(Key),
}

thread_local! {
    static CURRENT: RefCell<Option<Ambient>> = const { RefCell::new(None) };
}

/// The execution whose body is polled; none inside of its steps, which are plain code.
pub(super) fn current_body() -> Option<Arc<Running>> {
    CURRENT.with_borrow(|current| match current {
        Some(Ambient::Body(running)) => Some(running.clone()),
        Some(Ambient::Step(_)) | None => None,
    })
}

/// The idempotency key of the step that runs: the same whenever it runs again, another one for each
/// other step and each other execution. To be given to a service that the step calls, so that one
/// that was interrupted before its result was stored has its effect once. `None` outside of an
/// execution, as in a unit test that calls the step as a plain method.
///
/// Where a step spawns a task, ask before.
pub fn step_key() -> Option<Key> {
    CURRENT.with_borrow(|current| match current {
        Some(Ambient::Step(key)) => Some(key.clone()),
        Some(Ambient::Body(_)) | None => None,
    })
}

/// Polls the body of an execution.
pub(super) fn in_body<R>(running: &Arc<Running>, poll: impl FnOnce() -> R) -> R {
    within(Ambient::Body(running.clone()), poll)
}

/// Polls a step.
pub(super) fn in_step<R>(key: &Key, poll: impl FnOnce() -> R) -> R {
    within(Ambient::Step(key.clone()), poll)
}

fn within<R>(ambient: Ambient, poll: impl FnOnce() -> R) -> R {
    struct Restore(Option<Ambient>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.set(self.0.take());
        }
    }
    let _restore = Restore(CURRENT.replace(Some(ambient)));
    poll()
}
