//! The one place of the measuring tools that reads the machine's clock.
#![allow(clippy::disallowed_methods)] // Real time is what is measured.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A running stop watch.
#[derive(Clone, Copy, Debug)]
pub struct Watch(Instant);

impl Watch {
    /// Starts.
    #[inline]
    pub fn start() -> Self {
        Watch(Instant::now())
    }

    /// Time since the start.
    #[inline]
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// Time since the start in nanoseconds; ends at 584 years.
    #[inline]
    pub fn nanos(self) -> u64 {
        u64::try_from(self.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The time of day in microseconds since 1970.
pub fn unix_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Lets the machine settle, for readings of memory that follow a burst of work.
pub(crate) fn settle() {
    const SETTLE: Duration = Duration::from_millis(300);
    std::thread::sleep(SETTLE);
}
