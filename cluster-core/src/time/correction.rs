//! By how much the machine's time of day is corrected, so that it is the database's.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::Timestamp;

/// So far the time of day may be off before it is corrected: it is not moved for what the way to
/// the database and rounding do to a measurement.
const TOLERANCE: Duration = Duration::from_millis(10);

/// What is added to the machine's time of day.
#[derive(Debug, Default)]
pub(super) struct Correction {
    /// In milliseconds; below zero where the machine's clock is ahead.
    ahead_ms: AtomicI64,
}

/// A question for cluster time and its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    /// What the machine's clock showed before the question.
    pub(super) before: Timestamp,
    /// The answer.
    pub(super) told: Timestamp,
    /// What the machine's clock showed after the answer.
    pub(super) after: Timestamp,
    /// How long both took, on the monotonic scale.
    pub(super) took: Duration,
}

impl Correction {
    pub(super) fn ahead_ms(&self) -> i64 {
        self.ahead_ms.load(Ordering::Relaxed)
    }

    /// The machine's time of day, corrected.
    pub(super) fn of(&self, machine: Timestamp) -> Timestamp {
        machine.moved(self.ahead_ms())
    }

    /// Corrects by what was measured; says whether that changed anything. One measurement at a
    /// time.
    pub(super) fn measured(&self, measured: Measured) -> bool {
        let now = measured.ahead_ms(self.ahead_ms());
        now.is_some_and(|ahead_ms| self.ahead_ms.swap(ahead_ms, Ordering::Relaxed) != ahead_ms)
    }
}

impl Measured {
    /// What the correction becomes; `None` while nothing speaks against the present one.
    ///
    /// The database has read its clock at some time between question and answer, so the truth lies
    /// between two bounds that are as far apart as both took: a slow answer says little. What is
    /// within them, or near, stays. Otherwise it is their middle.
    fn ahead_ms(&self, present: i64) -> Option<i64> {
        let tolerance = ms(TOLERANCE);
        let (told, after) = (self.told.unix_ms(), self.after.unix_ms());
        let shown = after.saturating_sub(self.before.unix_ms());
        if shown.saturating_sub(ms(self.took)).saturating_abs() > tolerance {
            // The machine's clock was set meanwhile.
            return None;
        }
        let least = told.saturating_sub(after);
        let most = told.saturating_sub(self.before.unix_ms());
        let agrees =
            present >= least.saturating_sub(tolerance) && present <= most.saturating_add(tolerance);
        (!agrees).then(|| least.midpoint(most))
    }
}

fn ms(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asked at this time of the machine, answered after so long with this time, in milliseconds.
    fn measured(before: i64, took: u64, told: i64) -> Measured {
        let after = before + took.cast_signed();
        Measured {
            before: Timestamp::from_unix_ms(before),
            told: Timestamp::from_unix_ms(told),
            after: Timestamp::from_unix_ms(after),
            took: Duration::from_millis(took),
        }
    }

    /// The corrections after each of these measurements, from none on.
    fn corrections(measurements: &[Measured]) -> Vec<i64> {
        let correction = Correction::default();
        let after = |one: &Measured| {
            correction.measured(*one);
            correction.ahead_ms()
        };
        measurements.iter().map(after).collect()
    }

    #[test]
    fn the_time_of_day_follows_the_database_ahead_and_back() {
        let hour = 3_600_000;
        let ahead = measured(1_000, 0, 1_000 + hour);
        let back = measured(2_000, 0, 2_000 - hour);
        assert_eq!(corrections(&[ahead, ahead, back]), [hour, hour, -hour]);
        let correction = Correction::default();
        assert!(correction.measured(ahead), "it has changed");
        assert!(!correction.measured(ahead), "it is known");
        assert_eq!(correction.of(Timestamp::from_unix_ms(5)).unix_ms(), hour + 5);
    }

    #[test]
    fn the_way_to_the_database_is_accounted_for() {
        // Read half way: the clocks agree, however long it took.
        assert_eq!(corrections(&[measured(1_000, 800, 1_400)]), [0]);
        // Read at either end.
        assert_eq!(
            corrections(&[measured(1_000, 800, 1_000), measured(9_000, 800, 9_800)]),
            [0, 0]
        );
        // An hour ahead, or four tenths of a second more or less.
        let hour = 3_600_000;
        assert_eq!(corrections(&[measured(1_000, 800, 1_400 + hour)]), [hour]);
        // A slow answer agrees with what a fast one has said, and moves nothing.
        let (fast, slow) = (measured(1_000, 2, 1_001 + hour), measured(5_000, 900, 5_020 + hour));
        assert_eq!(corrections(&[fast, slow]), [hour, hour]);
    }

    #[test]
    fn small_differences_do_not_make_time_jitter() {
        let tolerance = ms(TOLERANCE);
        let off = |by: i64| measured(1_000, 0, 1_000 + by);
        assert_eq!(corrections(&[off(tolerance), off(-tolerance), off(1)]), [0, 0, 0]);
        assert_eq!(corrections(&[off(tolerance + 1)]), [tolerance + 1]);
        assert_eq!(corrections(&[off(-tolerance - 1)]), [-tolerance - 1]);
    }

    #[test]
    fn what_was_measured_while_the_clock_was_set_is_not_believed() {
        let took = Duration::from_millis(4);
        let set_forward = Measured { took, ..measured(1_000, 3_600_000, 1_002) };
        let set_back = Measured {
            after: Timestamp::from_unix_ms(0),
            took,
            ..measured(1_000_000, 4, 1_000_002)
        };
        assert_eq!(corrections(&[set_forward, set_back]), [0, 0]);
    }
}
