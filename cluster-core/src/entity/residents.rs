//! How many entities are in memory.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts instances against the limit.
#[derive(Debug)]
pub(crate) struct Residents {
    count: AtomicUsize,
    max: usize,
    /// Somebody waits for room, so whoever becomes idle says so.
    wanted: AtomicBool,
    room: Notify,
}

impl Residents {
    pub(crate) fn new(max: usize) -> Self {
        Residents {
            count: AtomicUsize::new(0),
            max,
            wanted: AtomicBool::new(false),
            room: Notify::new(),
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// The limit.
    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// Takes a place, if one is free.
    pub(crate) fn enter(&self) -> bool {
        if self.count.fetch_add(1, Ordering::Relaxed) < self.max {
            return true;
        }
        self.count.fetch_sub(1, Ordering::Relaxed);
        false
    }

    /// Whether a place is free.
    pub(crate) fn has_room(&self) -> bool {
        self.count() < self.max
    }

    /// Gives a place back.
    pub(crate) fn leave(&self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
        self.say_room();
    }

    /// An entity became idle: it could make room.
    #[inline]
    pub(crate) fn say_room(&self) {
        if self.wanted.load(Ordering::SeqCst) {
            self.room.notify_one();
        }
    }

    /// Waits until an entity has left or become idle. Look for room before and after. Cancel safe.
    pub(crate) async fn wait_for_room(&self, is_there: impl Fn() -> bool) {
        self.wanted.store(true, Ordering::SeqCst);
        loop {
            let room = self.room.notified();
            if is_there() {
                break;
            }
            room.await;
        }
        self.wanted.store(false, Ordering::SeqCst);
    }
}
