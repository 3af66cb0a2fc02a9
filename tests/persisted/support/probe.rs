//! Handlers tell the test where they are, and wait or panic where the test wants them to.

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
}

impl Probe {
    /// Notes that something has happened.
    pub(crate) fn note(&self, what: &str) {
        let mut state = self.0.state.lock().unwrap();
        state.log.push(what.to_owned());
        *state.counts.entry(what.to_owned()).or_default() += 1;
        drop(state);
        self.0.changed.notify_waiters();
    }

    /// Takes everything noted so far, in order.
    pub(crate) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.0.state.lock().unwrap().log)
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

    /// A handler is here: noted, then it panics if it is to, then it waits if it is to.
    pub(crate) async fn pass(&self, point: &str) {
        self.arrive(point);
        self.until(|state| !state.closed.contains(point)).await;
    }

    /// The same for handlers that cannot wait.
    pub(crate) fn arrive(&self, point: &str) {
        self.note(point);
        let mut state = self.0.state.lock().unwrap();
        let left = state.panics.get_mut(point).filter(|left| **left > 0);
        let panics = left.map(|left| *left -= 1).is_some();
        drop(state);
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
