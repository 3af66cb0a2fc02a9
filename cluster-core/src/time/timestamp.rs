//! Cluster time as it is stored.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A time in milliseconds since 1970-01-01T00:00:00Z. What databases, envelopes and schedules hold.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Takes milliseconds since 1970; negative ones lie before it.
    pub const fn from_unix_ms(ms: i64) -> Self {
        Timestamp(ms)
    }

    /// Milliseconds since 1970.
    pub const fn unix_ms(self) -> i64 {
        self.0
    }

    /// The first millisecond at or after this time plus `delay`: fractions round up, so that
    /// nothing fires early. Ends at the largest time instead of overflowing.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        let ms = delay.as_nanos().div_ceil(1_000_000);
        Timestamp(self.0.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX)))
    }

    /// The last millisecond that has wholly passed at a time.
    pub(super) fn passed_at(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(since) => Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
            Err(before) => Timestamp(0).before(Duration::from_nanos(
                u64::try_from(before.duration().as_nanos()).unwrap_or(u64::MAX),
            )),
        }
    }

    /// The time that is so many milliseconds later, or earlier.
    #[must_use]
    pub(super) fn moved(self, ms: i64) -> Self {
        Timestamp(self.0.saturating_add(ms))
    }

    /// This time less `age`, not before the smallest time.
    #[must_use]
    pub fn before(self, age: Duration) -> Self {
        Timestamp(self.0.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero when it is not later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        let ms = self.0.saturating_sub(earlier.0);
        Duration::from_millis(u64::try_from(ms).unwrap_or(0))
    }
}

/// What a database says of cluster time: its clock plus an offset that is stored there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClusterTime {
    /// Cluster time.
    pub now: Timestamp,
    /// How much of it is the stored offset, in milliseconds; zero unless a test has set it. On a
    /// [`VirtualClock`](super::VirtualClock) this alone counts: the test's clock is the database's.
    pub offset_ms: i64,
}

impl ClusterTime {
    /// That of a database whose clock shows this.
    pub fn of(database: Timestamp, offset_ms: i64) -> Self {
        ClusterTime { now: database.moved(offset_ms), offset_ms }
    }
}

impl From<SystemTime> for Timestamp {
    /// Rounds up to the millisecond, so that nothing fires early.
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(since) => Timestamp(0).after(since),
            Err(before) => Timestamp(0).before(before.duration()),
        }
    }
}

impl From<Timestamp> for SystemTime {
    /// A time that the system cannot express is 1970.
    fn from(time: Timestamp) -> Self {
        let ms = Duration::from_millis(time.0.unsigned_abs());
        let there =
            if time.0 < 0 { UNIX_EPOCH.checked_sub(ms) } else { UNIX_EPOCH.checked_add(ms) };
        there.unwrap_or(UNIX_EPOCH)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_the_system_comes_back_in_milliseconds() {
        for ms in [-86_400_001, -1, 0, 1, 1_700_000_000_123] {
            let time = Timestamp::from_unix_ms(ms);
            assert_eq!(Timestamp::from(SystemTime::from(time)), time);
        }
        assert_eq!(
            SystemTime::from(Timestamp::from_unix_ms(1_500)),
            UNIX_EPOCH + Duration::from_millis(1_500)
        );
    }
}
