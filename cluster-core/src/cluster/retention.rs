//! Removing finished requests that are past their age.

use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::entity::Runner;
use crate::error::text;
use crate::id::Seq;
use crate::metric;
use crate::storage::{Kept, RetentionClass, RetireScan, Retired, StorageError};
use crate::time::{Moment, Timestamp};

/// How often the time that retention has reached is stored. After a crash so much of the time that
/// has passed may be forgotten, when the clock cannot be trusted over the restart.
const REACHED_STORED_EVERY: Duration = Duration::from_secs(5 * 60);

/// How many stretches are remembered; beyond it neighbours become one.
const STRETCHES_MAX: usize = 4_096;

/// By class, as in [`RetireScan::finished_before`].
type ByClass = [Timestamp; RetentionClass::COUNT];

const NEVER: Timestamp = Timestamp::from_unix_ms(i64::MAX);

/// Looks again and again. Never ends; to be dropped at the end of the runner. Cancel safe.
pub(super) async fn retire(runner: Arc<Runner>) {
    let mut stretches = Stretches::of(&runner.config);
    let mut store_at = Moment::default();
    let mut reached_before = Timestamp::default();
    loop {
        runner.clock.sleep_between_looks(runner.config.retention_interval).await;
        let now = runner.clock.now();
        let reached = observe(&runner, now);
        if reached < reached_before {
            // The clock was ahead when these were looked at.
            stretches.known.clear();
        }
        reached_before = reached;
        let store = now >= store_at;
        match pass(&runner, &mut stretches, reached, store.then_some(reached)).await {
            Ok(()) if store => store_at = now + REACHED_STORED_EVERY,
            Ok(()) => {}
            Err(error) => {
                tracing::warn!(
                    error = text(&error),
                    "finished requests could not be removed, trying again"
                );
            }
        }
    }
}

/// Tells the history of the clock what it shows; returns what it has reached for the class that is
/// kept longest.
fn observe(runner: &Runner, now: Moment) -> Timestamp {
    let longest = ages(&runner.config).into_iter().max().unwrap_or_default();
    let mut history = runner.committer.history();
    history.saw(now, runner.clock.wall());
    history.forget(now, longest);
    history.reached(now, longest)
}

/// Looks once at everything of which something may go, in bounded steps; at what is new as well.
async fn pass(
    runner: &Runner,
    stretches: &mut Stretches,
    now: Timestamp,
    mut reached: Option<Timestamp>,
) -> Result<(), StorageError> {
    let mut after = Seq::default();
    loop {
        let finished_before = finished_before(runner);
        after = stretches.next_due(after, &finished_before);
        let limit = runner.config.retention_batch;
        let scan = RetireScan { finished_before, after, limit, reached };
        let retired = runner.storage.retire(runner.committer.fence(), scan).await?;
        metrics::counter!(metric::RETIRED).increment(retired.removed as u64);
        reached = None;
        stretches.looked_at(after, &retired, now);
        match retired.next {
            Some(next) => after = next,
            None => return Ok(()),
        }
        tokio::task::yield_now().await;
    }
}

/// What finished before these times is past its age, whatever was done to the clock meanwhile: see
/// the invariant of the history.
fn finished_before(runner: &Runner) -> ByClass {
    let now = runner.clock.now();
    let history = runner.committer.history();
    ages(&runner.config).map(|age| history.reached(now, age).before(age))
}

/// How long a finished request is kept, by class.
fn ages(config: &Config) -> [Duration; RetentionClass::COUNT] {
    RetentionClass::ALL.map(|class| match class {
        RetentionClass::Awaited => config.retention_awaited,
        RetentionClass::Sent => config.retention_sent,
        RetentionClass::Keyed => config.deduplication_window,
        // Goes with its outer request.
        RetentionClass::Derived => Duration::ZERO,
        RetentionClass::Execution => config.retention_executions,
    })
}

/// What was looked at before, so that it is not looked at again before something of it can go.
///
/// One follows the other from the first request on. New requests come after the last one, since
/// places in the owner's order only grow; those that were not finished count as finishing at the
/// time of the look.
#[derive(Debug)]
struct Stretches {
    known: Vec<Stretch>,
    /// Neighbours of fewer requests together become one.
    requests_max: usize,
}

/// The requests after those of the stretch before.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    upto: Seq,
    /// Finished ones that were kept, at most.
    requests: usize,
    /// By class: none finished before.
    oldest: ByClass,
}

impl Stretches {
    fn of(config: &Config) -> Self {
        Stretches { known: Vec::new(), requests_max: config.retention_batch }
    }

    /// The first place at or after this behind which something may go, or nobody has looked.
    fn next_due(&self, after: Seq, finished_before: &ByClass) -> Seq {
        let ahead = &self.known[self.known.partition_point(|stretch| stretch.upto <= after)..];
        let idle = ahead.iter().take_while(|stretch| !stretch.is_due(finished_before));
        idle.last().map_or(after, |stretch| stretch.upto)
    }

    /// What follows this place was looked at; what is not finished will not finish before `now`.
    fn looked_at(&mut self, after: Seq, retired: &Retired, now: Timestamp) {
        let kept = &retired.kept;
        let from = self.known.partition_point(|stretch| stretch.upto <= after);
        let to = match retired.next {
            Some(_) => self.known.partition_point(|stretch| stretch.upto <= kept.upto),
            // Nothing finished follows.
            None => self.known.len(),
        };
        let new = (kept.upto > after).then(|| Stretch::of(kept, now));
        self.known.splice(from..to, new);
        if from > 0 {
            self.join_at(from - 1);
        }
        if self.known.len() > STRETCHES_MAX {
            let pairs = self.known.chunks(2);
            let joined = pairs.filter_map(|pair| pair.iter().copied().reduce(Stretch::and));
            self.known = joined.collect();
        }
    }

    /// Makes one of two neighbours if they are small.
    fn join_at(&mut self, first: usize) {
        let [one, two, ..] = self.known[first..] else { return };
        if one.requests + two.requests <= self.requests_max {
            self.known.splice(first..first + 2, [one.and(two)]);
        }
    }
}

impl Stretch {
    fn of(kept: &Kept, now: Timestamp) -> Self {
        let unfinished = if kept.unfinished { now } else { NEVER };
        let oldest = kept.oldest.map(|kept| kept.unwrap_or(NEVER).min(unfinished));
        Stretch { upto: kept.upto, requests: kept.requests, oldest }
    }

    fn is_due(&self, finished_before: &ByClass) -> bool {
        // A derived one counts as its outer one.
        let mut ends = RetentionClass::ALL.iter().zip(self.oldest).zip(finished_before);
        ends.any(|((class, oldest), before)| *class != RetentionClass::Derived && oldest < *before)
    }

    fn and(self, next: Stretch) -> Stretch {
        let mut oldest = self.oldest;
        for (oldest, other) in oldest.iter_mut().zip(next.oldest) {
            *oldest = (*oldest).min(other);
        }
        Stretch { upto: next.upto, requests: self.requests + next.requests, oldest }
    }
}
