//! How many entities are in memory.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::endpoint::Endpoint;

/// How many entities may wait for a place without having a request in memory. Beyond that loading
/// stops until there are fewer.
const QUEUE_MAX: usize = 256;

/// Counts instances against the limit.
pub(crate) struct Residents {
    count: AtomicUsize,
    /// How many have left so far; wraps.
    departures: AtomicUsize,
    max: usize,
    /// How many wait for room, so that whoever becomes idle says so.
    wanted: AtomicUsize,
    /// Entities with requests that wait, each once: those that have some in memory already, and up
    /// to [`QUEUE_MAX`] whose requests are all in the storage.
    queue: Mutex<Queue>,
    room: Notify,
    /// Wakes all who watch single entities.
    watched: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Arc<dyn Endpoint>>,
    /// The runner has ended: an entity kept here would keep the runner.
    closed: bool,
}

impl Residents {
    pub(crate) fn new(max: usize) -> Self {
        Residents {
            count: AtomicUsize::new(0),
            departures: AtomicUsize::new(0),
            max,
            wanted: AtomicUsize::new(0),
            queue: Mutex::default(),
            room: Notify::new(),
            watched: Notify::new(),
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Changes whenever a place is given back.
    pub(crate) fn departures(&self) -> usize {
        self.departures.load(Ordering::SeqCst)
    }

    /// Whether one more entity may wait that has nothing in memory yet.
    pub(crate) fn may_wait(&self) -> bool {
        self.queue.lock().waiting.len() < QUEUE_MAX
    }

    /// The limit.
    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// Takes a place, if one is free.
    pub(crate) fn enter(&self) -> bool {
        let more = |count: usize| (count < self.max).then_some(count + 1);
        self.count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok()
    }

    /// Whether a place is free.
    pub(crate) fn has_room(&self) -> bool {
        self.count() < self.max
    }

    /// Gives a place back.
    pub(crate) fn leave(&self) {
        self.departures.fetch_add(1, Ordering::SeqCst);
        self.count.fetch_sub(1, Ordering::SeqCst);
        self.say_room();
    }

    /// A place became free, or an entity idle, which could make room.
    #[inline]
    pub(crate) fn say_room(&self) {
        if self.wanted.load(Ordering::SeqCst) > 0 {
            self.tell_waiting();
        }
    }

    /// What those who watch single entities look at has changed, but there is no more room than
    /// before.
    pub(crate) fn say_changed(&self) {
        if self.wanted.load(Ordering::SeqCst) > 0 {
            self.watched.notify_waiters();
        }
    }

    fn tell_waiting(&self) {
        self.room.notify_one();
        let first = self.queue.lock().waiting.pop_front();
        if let Some(first) = first {
            self.wanted.fetch_sub(1, Ordering::SeqCst);
            first.place_is_free();
        }
        // Last: what that has set free is to be seen.
        self.say_changed();
    }

    /// Puts an entity into the queue: it is told once when there may be room. Look for room
    /// afterwards.
    pub(super) fn wait(&self, entity: Arc<dyn Endpoint>) {
        let mut queue = self.queue.lock();
        if !queue.closed {
            queue.waiting.push_back(entity);
            self.wanted.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Forgets who waits, and keeps nobody any more.
    pub(super) fn close(&self) {
        let waiting = {
            let mut queue = self.queue.lock();
            queue.closed = true;
            std::mem::take(&mut queue.waiting)
        };
        self.wanted.fetch_sub(waiting.len(), Ordering::SeqCst);
    }

    /// Waits until `is_there` finds room, looking again whenever an entity has left or become idle.
    /// Cancel safe.
    pub(crate) async fn wait_for_room(&self, is_there: impl Fn() -> bool) {
        let _wanted = Wanted::new(&self.wanted);
        loop {
            let mut room = std::pin::pin!(self.room.notified());
            room.as_mut().enable();
            if is_there() {
                return;
            }
            room.await;
        }
    }

    /// Waits until `is_so`, looking again whenever an entity has left or become idle. Cancel safe.
    pub(super) async fn watch(&self, is_so: impl Fn() -> bool) {
        let _wanted = Wanted::new(&self.wanted);
        loop {
            let mut changed = std::pin::pin!(self.watched.notified());
            changed.as_mut().enable();
            if is_so() {
                return;
            }
            changed.await;
        }
    }
}

/// Counts one who waits.
struct Wanted<'a>(&'a AtomicUsize);

impl<'a> Wanted<'a> {
    fn new(wanted: &'a AtomicUsize) -> Self {
        wanted.fetch_add(1, Ordering::SeqCst);
        Wanted(wanted)
    }
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl fmt::Debug for Residents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Residents({} of {})", self.count(), self.max)
    }
}
