//! What is to be done later: one queue of deadlines and one task, however many wait.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::shared::Shared;
use crate::id::Seq;
use crate::time::{Clock, Moment};

type Action = Box<dyn FnOnce() + Send>;

/// Actions by deadline. Bounded by what arms them: requests in back-off, which are stored, and
/// entities that could not be made, which have a place in memory.
#[derive(Default)]
pub(crate) struct Alarms {
    queue: Mutex<Queue>,
    wake: Notify,
}

#[derive(Default)]
struct Queue {
    /// With the request that is to go on then, if it is one.
    armed: BTreeMap<(Moment, u64), (Option<Seq>, Action)>,
    /// Tells alarms of one moment apart, in the order in which they were armed.
    made: u64,
    /// The runner has ended: an action kept here would keep the runner.
    closed: bool,
}

impl Alarms {
    /// Runs `action` after `delay`, in the alarms' task; it must be short. Drops it at once when
    /// the runner has ended.
    pub(crate) fn arm(
        &self,
        clock: &Clock,
        delay: Duration,
        action: impl FnOnce() + Send + 'static,
    ) {
        self.arm_for(None, clock, delay, action);
    }

    /// The same for a request, which may be hurried.
    pub(super) fn arm_for(
        &self,
        request: Option<Seq>,
        clock: &Clock,
        delay: Duration,
        action: impl FnOnce() + Send + 'static,
    ) {
        let at = clock.now() + delay;
        let first = {
            let mut queue = self.queue.lock();
            if queue.closed {
                drop(queue);
                return;
            }
            queue.made += 1;
            let number = queue.made;
            queue.armed.insert((at, number), (request, Box::new(action)));
            queue.armed.first_key_value().is_some_and(|(key, _)| *key == (at, number))
        };
        if first {
            self.wake.notify_one();
        }
    }

    /// Runs the alarm of a request at once, if there is one. Looks at all: it is for cancels.
    pub(super) fn hurry(&self, request: Seq) {
        let found = {
            let mut queue = self.queue.lock();
            let mut all = queue.armed.iter();
            let found = all.find(|(_, (of, _))| *of == Some(request)).map(|(key, _)| *key);
            if let Some(action) = found.and_then(|key| queue.armed.remove(&key)) {
                queue.made += 1;
                let number = queue.made;
                queue.armed.insert((Moment::default(), number), action);
            }
            found
        };
        if found.is_some() {
            self.wake.notify_one();
        }
    }

    /// Forgets all alarms, and keeps none any more.
    pub(crate) fn close(&self) {
        let armed = {
            let mut queue = self.queue.lock();
            queue.closed = true;
            std::mem::take(&mut queue.armed)
        };
        drop(armed);
    }

    fn due(&self, now: Moment) -> (Vec<Action>, Option<Moment>) {
        let mut queue = self.queue.lock();
        let later = queue.armed.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut queue.armed, later);
        let next = queue.armed.first_key_value().map(|((at, _), _)| *at);
        (due.into_values().map(|(_, action)| action).collect(), next)
    }
}

/// Runs alarms when they are due. Never ends; to be dropped at the end of the runner.
pub(crate) async fn run_alarms(shared: Arc<Shared>) {
    loop {
        let woken = shared.alarms.wake.notified();
        let (due, next) = shared.alarms.due(shared.clock.now());
        due.into_iter().for_each(run);
        match next {
            Some(at) => {
                let wait = at - shared.clock.now();
                tokio::select! {
                    () = shared.clock.sleep(wait) => {}
                    () = woken => {}
                }
            }
            None => woken.await,
        }
    }
}

/// Runs an action. One that panics, as what it drops may do, must not keep the others from running.
fn run(action: Action) {
    if catch_unwind(AssertUnwindSafe(action)).is_err() {
        tracing::error!("an alarm's action panicked");
    }
}

impl fmt::Debug for Alarms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Alarms({})", self.queue.lock().armed.len())
    }
}
