//! A clock that moves only when a test moves it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;

use super::{Moment, Timestamp};

/// A clock for tests: it stands still until [`VirtualClock::advance`] moves it, and wakes every
/// timer it passes, in order of their moments.
#[derive(Debug)]
pub struct VirtualClock {
    start: Timestamp,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    now: Moment,
    /// What a wall-clock jump added, in milliseconds.
    jumped_ms: i64,
    /// Tells timers of one moment apart.
    timers_made: u64,
    /// Armed timers; bounded by the futures that hold them.
    armed: BTreeMap<(Moment, u64), Armed>,
}

#[derive(Debug)]
struct Armed {
    waker: Waker,
    patience: Patience,
}

/// Whether a test that moves time stops at a timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// At its moment something is due.
    Due,
    /// It is a look around, as good a little later.
    Housekeeping,
}

impl VirtualClock {
    /// A clock that stands at the given time of day.
    pub fn starting_at(start: Timestamp) -> Arc<Self> {
        Arc::new(VirtualClock { start, state: Mutex::default() })
    }

    /// The moment on the monotonic scale.
    pub fn now(&self) -> Moment {
        self.state.lock().now
    }

    /// The time of day.
    pub fn wall(&self) -> Timestamp {
        let state = self.state.lock();
        let since = Duration::from_nanos(state.now.as_nanos());
        let ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_unix_ms(
            self.start.unix_ms().saturating_add(ms).saturating_add(state.jumped_ms),
        )
    }

    /// Moves the time of day by `ms` without moving the monotonic scale, as a clock correction
    /// does.
    pub fn jump_wall_clock(&self, ms: i64) {
        self.state.lock().jumped_ms += ms;
    }

    /// The moment of the earliest armed timer. Those at which a runner only looks around, for idle
    /// entities and for what it need not keep any more, do not count: they end with the next
    /// advance that passes them. So a month is a few steps when little is due in it.
    pub fn next_timer(&self) -> Option<Moment> {
        let state = self.state.lock();
        let mut due = state.armed.iter().filter(|(_, armed)| armed.patience == Patience::Due);
        due.next().map(|((moment, _), _)| *moment)
    }

    /// Moves on by `by` and wakes the timers that are due. Their tasks run afterwards: to let each
    /// timer's work happen at its own moment, advance to one [`VirtualClock::next_timer`] at a
    /// time.
    pub fn advance(&self, by: Duration) {
        let due = {
            let mut state = self.state.lock();
            state.now = state.now + by;
            let after_now = state.now + Duration::from_nanos(1);
            let later = state.armed.split_off(&(after_now, 0));
            std::mem::replace(&mut state.armed, later)
        };
        due.into_values().for_each(|armed| armed.waker.wake());
    }
}

/// A timer of a [`VirtualClock`].
pub(super) struct VirtualSleep {
    clock: Arc<VirtualClock>,
    until: Moment,
    patience: Patience,
    /// Its place among the armed timers, once polled.
    armed: Option<u64>,
}

impl VirtualSleep {
    pub(super) fn new(clock: Arc<VirtualClock>, until: Moment, patience: Patience) -> Self {
        VirtualSleep { clock, until, patience, armed: None }
    }
}

impl Future for VirtualSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let mut state = this.clock.state.lock();
        if state.now >= this.until {
            return Poll::Ready(());
        }
        let number = *this.armed.get_or_insert_with(|| {
            state.timers_made += 1;
            state.timers_made
        });
        let armed = Armed { waker: cx.waker().clone(), patience: this.patience };
        state.armed.insert((this.until, number), armed);
        Poll::Pending
    }
}

impl Drop for VirtualSleep {
    fn drop(&mut self) {
        if let Some(number) = self.armed {
            self.clock.state.lock().armed.remove(&(self.until, number));
        }
    }
}
