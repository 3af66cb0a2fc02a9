//! How long ago something was stamped at least, although the time of day jumps.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Moment, Timestamp};

/// By how much the time of day may run ahead of the monotonic scale before that is taken for a
/// step. Corrections that slew a clock stay below it for hours.
const STEP_MIN: Duration = Duration::from_secs(10);

/// How many steps are remembered; beyond it the second oldest is forgotten, and what was stamped
/// before it counts as younger than it is.
const STEPS_MAX: usize = 64;

/// How far the time of day may have moved on while no runner was up, for that to be taken for
/// elapsed time. What is longer may be a step of the clock: then no time is taken to have passed.
const REST_MAX: Duration = Duration::from_secs(10 * 60);

/// What the wall clock has shown, against the monotonic scale.
///
/// **Invariant.** A stamp `t` of the wall clock that was told to [`WallHistory::saw`] at the moment
/// `m` is before `reached(now, age).before(age)` only if `now - m` is more than `age`: for
/// every offset that was told within the last `age` is at least that which `reached` adds to `now`.
/// So nothing is taken for older than it is, however the clock is set; what was stamped before a
/// step forward, and before a time in which the machine slept, is taken for younger.
///
/// An offset is wall time less monotonic time, in milliseconds. It is rounded down, and only the
/// lowest one of a span counts.
#[derive(Debug)]
pub(crate) struct WallHistory {
    /// Never empty; by time, and by offset as well: a lower one ends all before it.
    spans: VecDeque<Span>,
}

/// From `since` until the next one begins no offset below this was seen.
#[derive(Debug, Clone, Copy)]
struct Span {
    since: Moment,
    offset_ms: i64,
}

impl WallHistory {
    /// Begins at a start, when an earlier runner of the database had reached this time.
    pub(crate) fn new(now: Moment, wall: Timestamp, reached: Timestamp) -> Self {
        let reached = if wall.since(reached) > REST_MAX { reached } else { wall };
        let before = Span { since: Moment::default(), offset_ms: offset_ms(now, reached) };
        let mut history = WallHistory { spans: VecDeque::from([before]) };
        history.saw(now, wall);
        history
    }

    /// The wall clock has shown this time, now or a short time ago.
    pub(crate) fn saw(&mut self, now: Moment, wall: Timestamp) {
        let offset_ms = offset_ms(now, wall);
        let last = self.last();
        if offset_ms > last.offset_ms {
            let ahead = Duration::from_millis(offset_ms.abs_diff(last.offset_ms));
            if ahead > STEP_MIN {
                self.spans.push_back(Span { since: now, offset_ms });
                if self.spans.len() > STEPS_MAX {
                    // The oldest one holds for its time as well.
                    self.spans.remove(1);
                }
            }
            return;
        }
        let mut lowest = Span { offset_ms, ..last };
        while let Some(span) = self.spans.pop_back_if(|span| span.offset_ms >= offset_ms) {
            lowest.since = span.since;
        }
        self.spans.push_back(lowest);
    }

    /// The time that may be compared with stamps to find those that are at least `age` old.
    pub(crate) fn reached(&self, now: Moment, age: Duration) -> Timestamp {
        let ends = self.spans.iter().skip(1).map(|next| next.since);
        // Over before the last `age` began.
        let over = ends.take_while(|end| now - *end > age).count();
        Timestamp::from_unix_ms(ms(now).saturating_add(self.spans[over].offset_ms))
    }

    /// Forgets what no longer counts for any age up to this.
    pub(crate) fn forget(&mut self, now: Moment, age_max: Duration) {
        while self.spans.get(1).is_some_and(|next| now - next.since > age_max) {
            self.spans.pop_front();
        }
    }

    fn last(&self) -> Span {
        *self.spans.back().expect("there is always one")
    }
}

fn offset_ms(now: Moment, wall: Timestamp) -> i64 {
    // Rounded up, so that the offset is rounded down.
    wall.unix_ms().saturating_sub(ms(now).saturating_add(1))
}

fn ms(moment: Moment) -> i64 {
    i64::try_from(moment.as_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);
    const HOUR_MS: i64 = 3_600_000;

    fn at(hours: u64) -> Moment {
        Moment::default() + HOUR * u32::try_from(hours).expect("few hours")
    }

    fn wall(hours: i64) -> Timestamp {
        Timestamp::from_unix_ms(hours * HOUR_MS)
    }

    /// In whole hours, rounded up: what is lost by rounding is below a second.
    fn reached(history: &WallHistory, now: u64, age: u32) -> i64 {
        (history.reached(at(now), HOUR * age).unix_ms() + 1_000).div_euclid(HOUR_MS)
    }

    #[test]
    fn a_clock_that_is_right_is_believed() {
        let mut history = WallHistory::new(at(0), wall(100), wall(100));
        for hour in 1..50 {
            history.saw(at(hour), wall(100 + hour.cast_signed()));
            assert_eq!(reached(&history, hour, 24), 100 + hour.cast_signed());
        }
    }

    #[test]
    fn a_step_forward_counts_after_the_age_asked_for() {
        let mut history = WallHistory::new(at(0), wall(100), wall(100));
        history.saw(at(2), wall(1_002));
        assert_eq!(reached(&history, 2, 1), 102);
        assert_eq!(reached(&history, 3, 1), 103);
        assert_eq!(reached(&history, 4, 1), 1_004);
        assert_eq!(reached(&history, 4, 24), 104);
        assert_eq!(reached(&history, 26, 24), 126);
        assert_eq!(reached(&history, 27, 24), 1_027);
    }

    #[test]
    fn an_excursion_back_counts_as_long_as_what_was_stamped_in_it() {
        let mut history = WallHistory::new(at(0), wall(100), wall(100));
        history.saw(at(10), wall(20));
        history.saw(at(11), wall(111));
        assert_eq!(reached(&history, 11, 24), 21);
        assert_eq!(reached(&history, 35, 24), 45);
        assert_eq!(reached(&history, 36, 24), 136);
    }

    #[test]
    fn many_steps_are_remembered_in_bounded_space() {
        let mut history = WallHistory::new(at(0), wall(0), wall(0));
        for step in 1..1_000_u32 {
            history.saw(at(0) + Duration::from_secs(step.into()), wall(step.into()));
        }
        assert_eq!(history.spans.len(), STEPS_MAX);
        assert_eq!(reached(&history, 1, 24), 1);
        history.forget(at(100), HOUR * 24);
        assert_eq!(history.spans.len(), 1);
        assert_eq!(reached(&history, 100, 24), 999 + 99);
    }

    #[test]
    fn time_in_which_nothing_ran_counts_when_it_was_short() {
        let soon = Timestamp::from_unix_ms(100 * HOUR_MS + 60_000);
        let history = WallHistory::new(at(5), soon, wall(100));
        assert!(history.reached(at(5), HOUR) > wall(100));
        let mut history = WallHistory::new(at(5), wall(200), wall(100));
        assert_eq!(reached(&history, 5, 24), 100);
        assert_eq!(reached(&history, 29, 24), 124);
        history.saw(at(30), wall(225));
        assert_eq!(reached(&history, 30, 24), 225);
        // A clock that was ahead before tells nothing.
        let history = WallHistory::new(at(5), wall(100), wall(200));
        assert_eq!(reached(&history, 5, 24), 100);
    }
}
