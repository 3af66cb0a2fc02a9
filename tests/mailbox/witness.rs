//! What entities carry so that a test sees what they do.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

/// Who is inside an entity; counts whoever meets somebody that it must not meet.
#[derive(Clone, Default)]
pub(crate) struct Tally(Arc<Counts>);

#[derive(Default)]
struct Counts {
    /// Readers, and [`WRITER`] for each writer.
    inside: AtomicUsize,
    entered: AtomicUsize,
    overlaps: AtomicUsize,
}

const WRITER: usize = 1 << 32;

/// Somebody inside, until dropped.
pub(crate) struct Inside {
    counts: Arc<Counts>,
    weight: usize,
}

impl Tally {
    /// Comes in alone.
    pub(crate) fn exclusive(&self) -> Inside {
        let inside = self.enter(WRITER);
        self.0.overlaps.fetch_add(usize::from(inside != 0), Ordering::SeqCst);
        Inside { counts: self.0.clone(), weight: WRITER }
    }

    /// Comes in beside other readers.
    pub(crate) fn shared(&self) -> Inside {
        let inside = self.enter(1);
        self.0.overlaps.fetch_add(usize::from(inside >= WRITER), Ordering::SeqCst);
        Inside { counts: self.0.clone(), weight: 1 }
    }

    fn enter(&self, weight: usize) -> usize {
        self.0.entered.fetch_add(1, Ordering::SeqCst);
        self.0.inside.fetch_add(weight, Ordering::SeqCst)
    }

    /// How many have ever come in.
    pub(crate) fn entered(&self) -> usize {
        self.0.entered.load(Ordering::SeqCst)
    }

    /// How many are inside now.
    pub(crate) fn inside(&self) -> usize {
        self.0.inside.load(Ordering::SeqCst)
    }

    /// How often somebody met a writer, or a writer somebody.
    pub(crate) fn overlaps(&self) -> usize {
        self.0.overlaps.load(Ordering::SeqCst)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.counts.inside.fetch_sub(self.weight, Ordering::SeqCst);
    }
}

/// Handlers wait here until the test opens it; what they do is noted in order.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Door>);

#[derive(Default)]
struct Door {
    open: Mutex<bool>,
    opened: Notify,
}

impl Gate {
    /// Lets everybody pass, from now on.
    pub(crate) fn open(&self) {
        *self.0.open.lock().unwrap() = true;
        self.0.opened.notify_waiters();
    }

    /// Waits until it is open.
    pub(crate) async fn pass(&self) {
        loop {
            let mut opened = pin!(self.0.opened.notified());
            opened.as_mut().enable();
            if *self.0.open.lock().unwrap() {
                return;
            }
            opened.await;
        }
    }
}

/// What has happened, in order.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// The instances of one type of entity, by their ids.
#[derive(Clone, Default)]
pub(crate) struct Lives(Arc<Register>);

#[derive(Default)]
struct Register {
    live: Mutex<HashMap<String, usize>>,
    doubles: AtomicUsize,
}

/// One instance, until dropped.
pub(crate) struct Life {
    lives: Lives,
    id: String,
}

impl Lives {
    /// An instance is made.
    pub(crate) fn begin(&self, id: &str) -> Life {
        let mut live = self.0.live.lock().unwrap();
        let count = live.entry(id.to_owned()).or_default();
        *count += 1;
        self.0.doubles.fetch_add(usize::from(*count > 1), Ordering::SeqCst);
        drop(live);
        Life { lives: self.clone(), id: id.to_owned() }
    }

    /// How often an instance was made beside another of its id.
    pub(crate) fn doubles(&self) -> usize {
        self.0.doubles.load(Ordering::SeqCst)
    }

    /// How many instances there are now.
    pub(crate) fn now(&self) -> usize {
        self.0.live.lock().unwrap().values().sum()
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let mut live = self.lives.0.live.lock().unwrap();
        *live.get_mut(&self.id).expect("it was begun") -= 1;
    }
}
