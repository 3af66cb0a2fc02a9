//! What steps have done.

use std::sync::{Arc, Mutex};

use tokio::sync::watch;

/// Tells what has happened, in order, and holds up what is told to wait.
#[derive(Clone)]
pub(crate) struct Probe {
    log: Arc<Mutex<Vec<String>>>,
    closed: watch::Sender<Vec<String>>,
}

impl Default for Probe {
    fn default() -> Self {
        Probe { log: Arc::default(), closed: watch::Sender::new(Vec::new()) }
    }
}

impl Probe {
    /// Notes that this happens.
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.log.lock().unwrap().push(what.into());
    }

    /// Notes that this happens, then waits while it is closed.
    pub(crate) async fn pass(&self, what: impl Into<String>) {
        let what = what.into();
        self.note(what.clone());
        let mut closed = self.closed.subscribe();
        closed.wait_for(|closed| !closed.contains(&what)).await.expect("its sender lives as long");
    }

    pub(crate) fn close(&self, what: impl Into<String>) {
        self.closed.send_modify(|closed| closed.push(what.into()));
    }

    pub(crate) fn open(&self, what: &str) {
        self.closed.send_modify(|closed| closed.retain(|known| known != what));
    }

    pub(crate) fn is_closed(&self, what: &str) -> bool {
        self.closed.borrow().iter().any(|closed| closed == what)
    }

    /// How often this happened.
    pub(crate) fn count(&self, what: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|known| *known == what).count()
    }

    /// Everything so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}
