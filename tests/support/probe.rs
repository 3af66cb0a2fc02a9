//! Handlers tell the test where they are, and wait or fail where the test wants them to.

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

/// Shared by a test and the entities that it starts.
#[derive(Clone, Default)]
pub(crate) struct Probe(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    log: Vec<String>,
    /// How often each thing was noted.
    counts: HashMap<String, usize>,
    /// Points that handlers may not pass now.
    closed: HashSet<String>,
    /// How often handlers are still to panic at a point.
    panics: HashMap<String, u32>,
    /// How often handlers are still to meet trouble at a point.
    troubles: HashMap<String, u32>,
}

/// What a handler meets that is no outcome.
#[derive(Debug, thiserror::Error)]
#[error("trouble")]
pub(crate) struct Trouble;

impl Probe {
    /// Notes that something has happened.
    pub(crate) fn note(&self, what: impl Into<String>) {
        let what = what.into();
        let mut state = self.0.state.lock().unwrap();
        *state.counts.entry(what.clone()).or_default() += 1;
        state.log.push(what);
        drop(state);
        self.0.changed.notify_waiters();
    }

    /// Takes everything noted so far, in order.
    pub(crate) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.0.state.lock().unwrap().log)
    }

    /// Everything that was noted.
    pub(crate) fn log(&self) -> Vec<String> {
        self.0.state.lock().unwrap().log.clone()
    }

    /// How often this was noted.
    pub(crate) fn count(&self, what: &str) -> usize {
        self.0.state.lock().unwrap().counts.get(what).copied().unwrap_or_default()
    }

    /// Handlers wait at this point until it is opened.
    pub(crate) fn close(&self, point: &str) {
        self.0.state.lock().unwrap().closed.insert(point.to_owned());
    }

    /// Lets handlers pass.
    pub(crate) fn open(&self, point: &str) {
        self.0.state.lock().unwrap().closed.remove(point);
        self.0.changed.notify_waiters();
    }

    /// The next handlers that come to this point panic.
    pub(crate) fn panic_at(&self, point: &str, times: u32) {
        self.0.state.lock().unwrap().panics.insert(point.to_owned(), times);
    }

    /// The next handlers that come to this point meet trouble.
    pub(crate) fn trouble_at(&self, point: &str, times: u32) {
        self.0.state.lock().unwrap().troubles.insert(point.to_owned(), times);
    }

    /// Whether a handler at this point meets trouble.
    pub(crate) fn trouble(&self, point: &str) -> Result<(), Trouble> {
        let meets = take_one(&mut self.0.state.lock().unwrap().troubles, point);
        if meets { Err(Trouble) } else { Ok(()) }
    }

    /// A handler is here: noted, then it panics if it is to, then it waits if it is to.
    pub(crate) async fn pass(&self, point: &str) {
        self.arrive(point);
        self.until(|state| !state.closed.contains(point)).await;
    }

    /// The same for handlers that cannot wait.
    pub(crate) fn arrive(&self, point: &str) {
        self.note(point);
        let panics = take_one(&mut self.0.state.lock().unwrap().panics, point);
        assert!(!panics, "told to panic at {point}");
    }

    /// Waits until this was noted so many times.
    pub(crate) async fn wait_for(&self, what: &str, times: usize) {
        self.until(|state| state.counts.get(what) >= Some(&times)).await;
    }

    async fn until(&self, reached: impl Fn(&State) -> bool) {
        loop {
            let mut changed = pin!(self.0.changed.notified());
            changed.as_mut().enable();
            if reached(&self.0.state.lock().unwrap()) {
                return;
            }
            changed.await;
        }
    }
}

/// Takes one of what is left for a point, if anything is.
fn take_one(left: &mut HashMap<String, u32>, point: &str) -> bool {
    let left = left.get_mut(point).filter(|left| **left > 0);
    left.map(|left| *left -= 1).is_some()
}
