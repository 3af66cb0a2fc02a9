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
use crate::time::{Clock, Moment, Sleep};

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
    parts: [Arc<Part>; PARTS],
    /// The moment of the last look, in nanoseconds: at most a tick old unless `asleep`.
    looked: AtomicU64,
    /// Nobody looks, because nobody waited for a while.
    asleep: AtomicBool,
    wake: Notify,
}

/// Shared by itself, so that the calls of two workers do not count their holds in one place.
type Part = Mutex<Slab<Entry>>;

#[derive(Debug)]
struct Entry {
    end: End,
    waker: Waker,
}

/// When a limit is over.
#[derive(Debug, Clone, Copy)]
enum End {
    /// So long after the next look: the last one may be old, if the process was stopped since.
    After(Duration),
    At(Moment),
    /// It is over.
    Past,
}

impl Default for Deadlines {
    fn default() -> Self {
        Deadlines {
            parts: std::array::from_fn(|_| Arc::default()),
            looked: AtomicU64::new(0),
            asleep: AtomicBool::new(false),
            wake: Notify::new(),
        }
    }
}

impl Deadlines {
    /// The time, to measure such a span from: of the last look where that is good enough, which
    /// spares every call a read of the clock. It is older than a [`TICK`] only if the process was
    /// stopped or had no worker to look.
    #[inline]
    pub(super) fn now_for(&self, span: Duration, clock: &Clock) -> Moment {
        if is_exact(span, clock) {
            return clock.now();
        }
        if self.asleep.load(Ordering::SeqCst) {
            self.wake.notify_one();
            return clock.now();
        }
        Moment::from_nanos(self.looked.load(Ordering::SeqCst))
    }

    /// Wakes what is due; says whether anybody waits.
    fn look(&self, now: Moment) -> bool {
        self.looked.store(now.as_nanos(), Ordering::SeqCst);
        let mut due = Vec::new();
        let mut waiting = false;
        for part in &self.parts {
            let mut part = part.lock();
            waiting |= !part.is_empty();
            for (_, entry) in part.iter_mut() {
                match entry.end {
                    End::After(limit) => entry.end = End::At(now + limit),
                    End::At(at) if at <= now => {
                        entry.end = End::Past;
                        due.push(entry.waker.clone());
                    }
                    End::At(_) | End::Past => {}
                }
            }
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

/// Whether such a span is to be measured without the looks.
fn is_exact(span: Duration, clock: &Clock) -> bool {
    span < COARSE_FROM || clock.is_virtual()
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
    part: Arc<Part>,
    key: usize,
}

impl Limit {
    /// A limit that ends `limit` from now; the task being polled is woken then.
    pub(super) fn new(shared: &Shared, limit: Duration, cx: &mut Context<'_>) -> Self {
        if is_exact(limit, &shared.clock) {
            let mut sleep = shared.clock.sleep(limit);
            // Registers the waker; a limit of zero is seen at the next poll.
            if Pin::new(&mut sleep).poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
            return Limit::Exact(sleep);
        }
        Limit::Coarse(Armed::new(&shared.deadlines, limit, cx))
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
    fn new(deadlines: &Deadlines, limit: Duration, cx: &Context<'_>) -> Self {
        let part = deadlines.parts[part_of_this_thread() % PARTS].clone();
        let entry = Entry { end: End::After(limit), waker: cx.waker().clone() };
        let key = part.lock().insert(entry);
        if deadlines.asleep.load(Ordering::SeqCst) {
            deadlines.wake.notify_one();
        }
        Armed { part, key }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut part = self.part.lock();
        let entry = part.get_mut(self.key).expect("there until this is dropped");
        if matches!(entry.end, End::Past) {
            return Poll::Ready(());
        }
        entry.waker.clone_from(cx.waker());
        Poll::Pending
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        let entry = self.part.lock().try_remove(self.key);
        drop(entry);
    }
}
