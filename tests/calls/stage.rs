//! Where handlers stop until the test lets them on, and note what they did.

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};

use crate::support::soon;

/// Shared by a test and its handlers.
#[derive(Clone)]
pub(crate) struct Stage(Arc<Inner>);

struct Inner {
    here: Semaphore,
    on: Semaphore,
    notes: watch::Sender<Vec<String>>,
}

impl Default for Stage {
    fn default() -> Self {
        Stage(Arc::new(Inner {
            here: Semaphore::new(0),
            on: Semaphore::new(0),
            notes: watch::Sender::default(),
        }))
    }
}

impl Stage {
    /// A handler says that it is here, and waits to be let on.
    pub(crate) async fn pause(&self) {
        self.0.here.add_permits(1);
        self.0.on.acquire().await.expect("never closed").forget();
    }

    /// Waits until as many handlers more have come to [`Stage::pause`].
    pub(crate) async fn arrived(&self, count: u32) {
        soon(self.0.here.acquire_many(count)).await.expect("never closed").forget();
    }

    /// Lets as many on.
    pub(crate) fn let_on(&self, count: usize) {
        self.0.on.add_permits(count);
    }

    /// Writes something down.
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.0.notes.send_modify(|notes| notes.push(what.into()));
    }

    /// What was written down.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.0.notes.borrow().clone()
    }

    /// Waits until so many things were written down.
    pub(crate) async fn noted(&self, count: usize) {
        let mut notes = self.0.notes.subscribe();
        soon(notes.wait_for(|notes| notes.len() >= count)).await.expect("its sender lives on");
    }

    /// Writes something down when it is dropped.
    pub(crate) fn note_on_drop(&self, what: &'static str) -> impl Drop + Send + use<> {
        NoteOnDrop(self.clone(), what)
    }

    /// How many share this stage, the caller's own included.
    pub(crate) fn holders(&self) -> usize {
        Arc::strong_count(&self.0)
    }
}

struct NoteOnDrop(Stage, &'static str);

impl Drop for NoteOnDrop {
    fn drop(&mut self) {
        self.0.note(self.1);
    }
}
