//! The time limits of waiting calls: one look at all of them every few milliseconds instead of a
//! timer for each.
//!
//! Arming a timer of the async runtime costs more than the rest of a suspended call, and nearly all
//! of them are disarmed long before they fire. Limits of less than [`COARSE_FROM`] are exact all
//! the same, and so is every limit on a virtual clock.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use slab::Slab;
use tokio::sync::Notify;

use super::shared::Shared;
use super::tasks::part_of_this_thread;
use crate::time::{Moment, Sleep};

/// Limits from here on may end up to two [`TICK`]s late.
const COARSE_FROM: Duration = Duration::from_secs(1);
/// How often waiting calls are looked at.
const TICK: Duration = Duration::from_millis(25);
/// How many looks without a waiting call end the looking, until there is one.
const QUIET_LOOKS: u32 = 40;
/// How many parts there are: enough that two workers seldom want the same lock.
const PARTS: usize = 16;

/// The waiting calls of a runner, with their deadlines.
#[derive(Debug)]
pub(crate) struct Deadlines {
    parts: [Mutex<Slab<Entry>>; PARTS],
    /// The moment of the last look, in nanoseconds: at most a tick old unless `asleep`.
    looked: AtomicU64,
    /// Nobody looks, because nobody waited for a while.
    asleep: AtomicBool,
    wake: Notify,
}

#[derive(Debug)]
struct Entry {
    at: Moment,
    waker: Waker,
}

impl Default for Deadlines {
    fn default() -> Self {
        Deadlines {
            parts: std::array::from_fn(|_| Mutex::default()),
            looked: AtomicU64::new(0),
            asleep: AtomicBool::new(false),
            wake: Notify::new(),
        }
    }
}

impl Deadlines {
    fn looked(&self) -> Moment {
        Moment::from_nanos(self.looked.load(Ordering::SeqCst))
    }

    /// Wakes what is due; says whether anybody waits.
    fn look(&self, now: Moment) -> bool {
        self.looked.store(now.as_nanos(), Ordering::SeqCst);
        let mut due = Vec::new();
        let mut waiting = false;
        for part in &self.parts {
            let part = part.lock();
            waiting |= !part.is_empty();
            due.extend(part.iter().filter(|(_, e)| e.at <= now).map(|(_, e)| e.waker.clone()));
        }
        due.into_iter().for_each(Waker::wake);
        waiting
    }
}

/// Looks at deadlines for ever; to be dropped at the end of the runner.
pub(crate) async fn watch_deadlines(shared: Arc<Shared>) {
    let deadlines = &shared.deadlines;
    let mut quiet = 0;
    deadlines.look(shared.clock.now());
    loop {
        shared.clock.sleep(TICK).await;
        quiet = if deadlines.look(shared.clock.now()) { 0 } else { quiet + 1 };
        if quiet < QUIET_LOOKS {
            continue;
        }
        deadlines.asleep.store(true, Ordering::SeqCst);
        // A call that came just before is seen by this look, one that comes after wakes us.
        if !deadlines.look(shared.clock.now()) {
            deadlines.wake.notified().await;
        }
        deadlines.look(shared.clock.now());
        deadlines.asleep.store(false, Ordering::SeqCst);
        quiet = 0;
    }
}

/// A call's time limit.
#[derive(Debug)]
pub(super) enum Limit {
    Exact(Sleep),
    Coarse(Armed),
}

/// A limit that is looked at from time to time; forgotten when dropped.
#[derive(Debug)]
pub(super) struct Armed {
    deadlines: Arc<Deadlines>,
    at: Moment,
    part: usize,
    key: usize,
}

impl Limit {
    /// A limit that ends `limit` from now; the task being polled is woken then.
    pub(super) fn new(shared: &Shared, limit: Duration, cx: &mut Context<'_>) -> Self {
        if limit < COARSE_FROM || shared.clock.is_virtual() {
            let mut sleep = shared.clock.sleep(limit);
            // Registers the waker; a limit of zero is seen at the next poll.
            if Pin::new(&mut sleep).poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
            return Limit::Exact(sleep);
        }
        Limit::Coarse(Armed::new(shared, limit, cx))
    }

    /// Resolves when the limit is over; the task is woken then.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Limit::Exact(sleep) => Pin::new(sleep).poll(cx),
            Limit::Coarse(armed) => armed.poll(cx),
        }
    }
}

impl Armed {
    fn new(shared: &Shared, limit: Duration, cx: &Context<'_>) -> Self {
        let deadlines = shared.deadlines.clone();
        let asleep = deadlines.asleep.load(Ordering::SeqCst);
        // The last look may be a tick old, so the limit is longer by one.
        let now = if asleep { shared.clock.now() } else { deadlines.looked() };
        let at = now + limit + TICK;
        let part = part_of_this_thread() % PARTS;
        let key = deadlines.parts[part].lock().insert(Entry { at, waker: cx.waker().clone() });
        if deadlines.asleep.load(Ordering::SeqCst) {
            deadlines.wake.notify_one();
        }
        Armed { deadlines, at, part, key }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.deadlines.looked() >= self.at {
            return Poll::Ready(());
        }
        let mut part = self.deadlines.parts[self.part].lock();
        let entry = part.get_mut(self.key).expect("there until this is dropped");
        entry.waker.clone_from(cx.waker());
        Poll::Pending
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        let entry = self.deadlines.parts[self.part].lock().try_remove(self.key);
        drop(entry);
    }
}
