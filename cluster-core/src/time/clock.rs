//! The clock of a runner: the machine's, or a virtual one for tests; corrected by the database's.
// The one place that may read real clocks and arm real timers.
#![allow(clippy::disallowed_methods)]

use std::fmt;
use std::future::Future;
use std::ops::{Add, Sub};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use super::correction::{Correction, Measured};
use super::virtual_clock::{Patience, VirtualSleep};
use super::{ClusterTime, Timestamp, VirtualClock};

/// A point on a clock's monotonic scale: nanoseconds since the clock was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Moment(u64);

impl Moment {
    /// Takes nanoseconds since the clock was made.
    pub const fn from_nanos(nanos: u64) -> Self {
        Moment(nanos)
    }

    /// Nanoseconds since the clock was made.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    /// Ends at the largest moment (584 years) instead of overflowing.
    fn add(self, delay: Duration) -> Moment {
        Moment(self.0.saturating_add(u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub for Moment {
    type Output = Duration;

    /// Zero when `earlier` is not earlier.
    fn sub(self, earlier: Moment) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Reads time and makes timers. Cheap to clone; every clone is the same clock.
///
/// A started cluster has a clock of its own, made of the one that it was given: its time of day is
/// *cluster time*, that of the database, as measured last.
#[derive(Clone)]
pub struct Clock {
    kind: Kind,
    correction: Arc<Correction>,
}

#[derive(Clone)]
enum Kind {
    /// The origin of its moments.
    System(Instant),
    Virtual(Arc<VirtualClock>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Clock::new(Kind::System(Instant::now()))
    }

    /// A clock that stands still until a test advances it.
    pub fn from_virtual(clock: Arc<VirtualClock>) -> Self {
        Clock::new(Kind::Virtual(clock))
    }

    fn new(kind: Kind) -> Self {
        Clock { kind, correction: Arc::default() }
    }

    /// The same clock to be corrected on its own: what is measured for it is not for the others.
    pub(crate) fn to_be_corrected(&self) -> Self {
        Clock::new(self.kind.clone())
    }

    /// The moment on the monotonic scale. On the machine's clock a real clock read (tens of
    /// nanoseconds): a cached one would be stale after the process was stopped.
    pub fn now(&self) -> Moment {
        match &self.kind {
            Kind::System(origin) => {
                Moment(u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
            }
            Kind::Virtual(clock) => clock.now(),
        }
    }

    /// The time of day; cluster time, in a started cluster. May jump, when the machine's clock is
    /// set or when a measurement says that it is wrong; no duration is ever computed from two of
    /// these.
    pub fn wall(&self) -> Timestamp {
        self.correction.of(self.machine_wall())
    }

    /// The last millisecond of the time of day that has wholly passed: what is due at it may start.
    pub fn wall_passed(&self) -> Timestamp {
        self.correction.of(self.machine_wall_passed())
    }

    fn machine_wall(&self) -> Timestamp {
        match &self.kind {
            Kind::System(_) => Timestamp::from(SystemTime::now()),
            Kind::Virtual(clock) => clock.wall(),
        }
    }

    fn machine_wall_passed(&self) -> Timestamp {
        match &self.kind {
            Kind::System(_) => Timestamp::passed_at(SystemTime::now()),
            Kind::Virtual(clock) => clock.wall(),
        }
    }

    /// How far the time of day is ahead of the machine's, in milliseconds.
    pub(crate) fn ahead_ms(&self) -> i64 {
        self.correction.ahead_ms()
    }

    /// Begins to measure cluster time: to be called right before the database is asked for it.
    pub(crate) fn asks(&self) -> Asked {
        Asked { moment: self.now(), wall: self.machine_wall_passed() }
    }

    /// The database has said that it is `told`, and the answer is here now. From here on the time
    /// of day is as it says, unless it agrees well enough already; says whether anything changed.
    pub(crate) fn was_told(&self, asked: Asked, told: ClusterTime) -> bool {
        let after = self.machine_wall();
        self.correction.measured(match &self.kind {
            Kind::System(_) => Measured {
                before: asked.wall,
                told: told.now,
                after,
                took: self.now() - asked.moment,
            },
            // Whatever clock the database has, the test's stands for it.
            Kind::Virtual(_) => {
                let told = ClusterTime::of(after, told.offset_ms).now;
                Measured { before: after, told, after, took: Duration::ZERO }
            }
        })
    }

    /// Whether a test moves this clock.
    pub fn is_virtual(&self) -> bool {
        matches!(self.kind, Kind::Virtual(_))
    }

    /// A timer that ends `delay` from now.
    pub fn sleep(&self, delay: Duration) -> Sleep {
        self.timer(delay, Patience::Due)
    }

    /// The same for a loop that only looks around: a test that moves time does not stop for it.
    pub(crate) fn sleep_between_looks(&self, delay: Duration) -> Sleep {
        self.timer(delay, Patience::Housekeeping)
    }

    fn timer(&self, delay: Duration, patience: Patience) -> Sleep {
        match &self.kind {
            Kind::System(_) => Sleep(Timer::System(Box::pin(tokio::time::sleep(delay)))),
            Kind::Virtual(clock) => {
                let until = clock.now() + delay;
                Sleep(Timer::Virtual(VirtualSleep::new(clock.clone(), until, patience)))
            }
        }
    }

    /// Waits for `future`, at most `limit`.
    ///
    /// # Errors
    /// [`Elapsed`] when the limit came first; the future is dropped.
    pub async fn timeout<F: Future>(
        &self,
        limit: Duration,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        let mut future = std::pin::pin!(future);
        let mut sleep = self.sleep(limit);
        std::future::poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            Pin::new(&mut sleep).poll(cx).map(|()| Err(Elapsed))
        })
        .await
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.kind {
            Kind::System(_) => "Clock(system)",
            Kind::Virtual(_) => "Clock(virtual)",
        })
    }
}

/// What the machine's clock showed when the database was asked for cluster time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) moment: Moment,
    wall: Timestamp,
}

/// A limit came first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the time limit came first")]
pub struct Elapsed;

/// A timer: resolves at its moment. Dropping it disarms it.
#[must_use = "futures do nothing unless polled"]
pub struct Sleep(Timer);

enum Timer {
    System(Pin<Box<tokio::time::Sleep>>),
    Virtual(VirtualSleep),
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Timer::System(sleep) => sleep.as_mut().poll(cx),
            Timer::Virtual(sleep) => Pin::new(sleep).poll(cx),
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sleep")
    }
}
