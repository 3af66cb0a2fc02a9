//! The one writer of a runner.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Mutex as AsyncMutex, Notify, RwLock, RwLockWriteGuard, oneshot};

use super::batching::{fail_all, fail_superseded, gather, settle, what_is_left};
use super::gathered::{Gathered, Limits, Track, has_others};
use super::reminders::{OnReminded, Reminders, apply_all, keys_of};
use super::seqs::Seqs;
use super::unit::{CommitFailure, Unit, Writes};
use super::untold::{Accepting, Durable, Held, Untold};
use crate::config::Config;
use crate::error::text;
use crate::id::Seq;
use crate::metric;
use crate::storage::{
    Accepted, Batch, Committed, Fence, Joined, ReminderKey, Storage, StorageError,
};
use crate::time::{Clock, WallHistory};

/// Gathers units while a transaction runs and commits what has gathered in the next one. On each
/// track one transaction is in flight at a time, and what is built on something else stands behind
/// it on the same track: so a unit never becomes durable before one that it was built on.
pub(crate) struct Committer {
    storage: Arc<dyn Storage>,
    pub(super) clock: Clock,
    pub(super) seqs: Seqs,
    limits: Limits,
    queue_max: usize,
    queue_bytes: usize,
    attempts: u32,
    gathered: Mutex<Gathered>,
    /// For each track.
    wake: [Notify; 2],
    /// Who may write now: the tracks side by side, or who has the [`Lane`].
    pub(super) lane: Arc<RwLock<()>>,
    /// Shared by those who write ends beside the main track, until these are told. Held alone by
    /// the main track while it writes what stands behind ends, or looks for some.
    pub(super) ending: Arc<RwLock<()>>,
    /// What the main track writes, until it is told.
    accepting: Accepting,
    /// The fence in force. Changed by who is raising it.
    fence: Mutex<Fence>,
    raising: AsyncMutex<()>,
    /// Told the stamps of all outcomes that are written here, before they can be read.
    history: Mutex<WallHistory>,
    on_reminded: OnceLock<OnReminded>,
    metrics: Metrics,
}

/// What is full, and how full.
#[derive(Debug)]
pub(crate) struct Full {
    /// The setting's name.
    pub(crate) limit: &'static str,
    /// What it bounds, for people.
    pub(crate) what: &'static str,
    pub(crate) max: usize,
    pub(crate) actual: usize,
}

struct Metrics {
    batch_units: metrics::Histogram,
    commit_seconds: metrics::Histogram,
    commits: metrics::Counter,
    queue: metrics::Gauge,
    commit_failures: metrics::Counter,
}

/// The wait before a failed transaction is tried again; doubles with each attempt.
const RETRY_WAIT_MIN: Duration = Duration::from_millis(10);
/// The longest such wait.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(1);

/// How often the other tasks have their turn before a transaction begins.
const GATHERING_TURNS: usize = 16;
/// What waits is enough to begin with, before what is durable is told, if it is at least this part
/// of that.
const ENOUGH: usize = 2;

impl Committer {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        clock: Clock,
        config: &Config,
        joined: &Joined,
        floor: Seq,
    ) -> Self {
        let kind = storage.kind();
        let failures = metrics::counter!(metric::COMMIT_FAILURES, "storage" => kind);
        let history = WallHistory::new(clock.now(), clock.wall(), joined.reached);
        Committer {
            metrics: Metrics {
                batch_units: metrics::histogram!(metric::COMMIT_UNITS, "storage" => kind),
                commit_seconds: metrics::histogram!(metric::COMMIT_SECONDS, "storage" => kind),
                queue: metrics::gauge!(metric::COMMIT_QUEUE, "storage" => kind),
                commits: metrics::counter!(metric::COMMITS, "storage" => kind),
                commit_failures: failures,
            },
            gathered: Mutex::new(Gathered::new(storage.writes_in_two())),
            storage,
            clock,
            seqs: Seqs::above(joined.machine, floor),
            limits: Limits { units: config.commit_batch, bytes: config.commit_batch_bytes },
            queue_max: config.commit_queue_max,
            queue_bytes: config.commit_queue_bytes,
            attempts: config.commit_attempts,
            wake: [Notify::new(), Notify::new()],
            lane: Arc::default(),
            ending: Arc::default(),
            accepting: Accepting::default(),
            fence: Mutex::new(joined.fence),
            raising: AsyncMutex::default(),
            history: Mutex::new(history),
            on_reminded: OnceLock::new(),
        }
    }

    /// Who is told of reminders; to be said before it runs.
    pub(crate) fn tell_reminded_to(&self, tell: OnReminded) {
        if self.on_reminded.set(tell).is_err() {
            unreachable!("one runner has one committer");
        }
    }

    /// How many units wait; tells the metrics too.
    pub(crate) fn waiting(&self) -> usize {
        let waiting = self.gathered.lock().size().0;
        self.metrics.queue.set(waiting as f64);
        waiting
    }

    /// The fence in force.
    pub(crate) fn fence(&self) -> Fence {
        *self.fence.lock()
    }

    /// What the wall clock has shown while this runner has written outcomes.
    pub(crate) fn history(&self) -> MutexGuard<'_, WallHistory> {
        self.history.lock()
    }

    /// These ends will be written next.
    pub(super) fn saw_ends(&self, batch: &Batch) {
        if let Some(first) = batch.outcomes.iter().map(|row| row.finished_at).min() {
            self.history.lock().saw(self.clock.now(), first);
        }
    }

    /// Whether so much waits already that new requests should be refused.
    pub(crate) fn full(&self) -> Option<Full> {
        let (units, bytes) = self.gathered.lock().size();
        let full = |limit, what, max, actual| Full { limit, what, max, actual };
        if units >= self.queue_max {
            let what = "the number of requests that wait to be stored";
            return Some(full("commit_queue_max", what, self.queue_max, units));
        }
        let what = "the bytes of what waits to be stored";
        (bytes >= self.queue_bytes)
            .then(|| full("commit_queue_bytes", what, self.queue_bytes, bytes))
    }

    /// Hands a unit over. Its completion is called exactly once, by the committer's task or, when
    /// the committer has ended, here: not to be called under a lock that the completion takes.
    pub(crate) fn push(&self, unit: Unit) {
        if let Some(unit) = self.offer(unit) {
            settle(unit.complete, Err(CommitFailure::Stopped));
        }
    }

    /// Hands a unit over; gives it back when the committer has ended. Never calls its completion.
    #[must_use = "a unit that comes back is to be completed"]
    pub(crate) fn offer(&self, mut unit: Unit) -> Option<Unit> {
        unit.bytes = unit.writes.bytes();
        let track = {
            let mut gathered = self.gathered.lock();
            if gathered.is_closed() {
                return Some(unit);
            }
            gathered.offer(unit)
        };
        self.wake(track);
        None
    }

    /// Waits until everything handed over so far is durable or has failed, and its makers were
    /// told. Cancel safe.
    pub(crate) async fn flushed(&self) {
        let (tell, told) = oneshot::channel();
        self.push(Unit::new(Writes::default(), Box::new(move |_| drop(tell))));
        // Nothing is sent: the completion drops its end, whatever became of the unit.
        let _: Result<(), _> = told.await;
    }

    /// Takes no more units; what has gathered is still committed, then [`Committer::run`] ends.
    pub(crate) fn close(&self) {
        self.gathered.lock().close();
        self.wake(Track::Main);
        self.wake(Track::Ends);
    }

    fn wake(&self, track: Track) {
        self.wake[track as usize].notify_one();
    }

    /// Whether it has ended because another incarnation took over.
    pub(crate) fn is_fenced(&self) -> bool {
        self.gathered.lock().is_fenced()
    }

    /// Somebody has found out that another incarnation has taken over: nothing more is written, and
    /// [`Committer::run`] ends.
    pub(crate) fn fence_off(&self) {
        self.end_fenced();
        self.wake(Track::Main);
        self.wake(Track::Ends);
    }

    fn end_fenced(&self) {
        let units = self.gathered.lock().end_fenced();
        fail_all(units, &CommitFailure::Stopped);
    }

    /// Whether it takes no more units.
    pub(crate) fn is_closed(&self) -> bool {
        self.gathered.lock().is_closed()
    }

    /// Whether ends have a track of their own, to be run by a task of its own. Handlers' own
    /// transactions are open beside others then.
    pub(crate) fn has_two_tracks(&self) -> bool {
        self.storage.writes_in_two()
    }

    /// Commits what comes on a track until closed. To be run by one task; must not be dropped
    /// before it ends, or the completions of the transaction in flight are never called.
    ///
    /// What is durable is told while the next transaction is under way, if that has enough to do.
    pub(crate) async fn run(self: Arc<Self>, track: Track) {
        let mut untold = Untold::none(self.clone());
        loop {
            let waiting = self.gathered.lock().waiting(track);
            if untold.units() == 0 || waiting * ENOUGH < untold.units() {
                untold.tell();
                self.gather_more(track).await;
            }
            let (units, ended) = {
                let mut gathered = self.gathered.lock();
                (gathered.take(track, self.limits), gathered.has_ended(track))
            };
            match track {
                // It may have passed ends on, or its own end lets the other end.
                Track::Main => self.wake(Track::Ends),
                Track::Ends => {}
            }
            if !units.is_empty() {
                self.commit_taken(track, units, &mut untold).await;
            } else if ended && untold.units() == 0 {
                return;
            } else {
                untold.told_while(self.wake[track as usize].notified()).await;
            }
        }
    }

    /// Commits what was taken from a track, when it is its turn.
    async fn commit_taken(self: &Arc<Self>, track: Track, units: Vec<Unit>, untold: &mut Untold) {
        let mut held = Held::of(self, track, units.len());
        held.turn = Some(untold.told_while(self.lane.clone().read_owned()).await);
        let mut is_quiet = false;
        match track {
            Track::Main => {
                is_quiet = self.has_two_tracks() && has_others(&units);
                if is_quiet {
                    let alone = self.ending.clone().write_owned();
                    held.alone = Some(untold.told_while(alone).await);
                }
            }
            Track::Ends => {
                untold.told_while(self.wait_for_acceptance(last_end(&units))).await;
                let beside = self.ending.clone().read_owned();
                held.beside = Some(untold.told_while(beside).await);
            }
        }
        self.commit(units, is_quiet, untold).await;
        untold.hold(held);
        if is_quiet {
            untold.tell();
        }
    }

    /// Lets the tasks that could go on go on, as long as they hand over more for the track: those
    /// that were just told are among them, and one transaction of all costs less than two.
    async fn gather_more(&self, track: Track) {
        let mut waiting = 0;
        for _ in 0..GATHERING_TURNS {
            let more = self.gathered.lock().waiting(track);
            if more == waiting || more >= self.limits.units {
                return;
            }
            waiting = more;
            tokio::task::yield_now().await;
        }
    }

    /// What is stored may be loaded, run and ended before its acceptance is told, which says who
    /// waits for it: its end is told after that.
    pub(super) async fn wait_for_acceptance(&self, last: Option<Seq>) {
        if let Some(last) = last {
            self.accepting.told(last).await;
        }
    }

    /// Units of a track were told.
    pub(super) fn told(&self, track: Track, units: usize) {
        if self.gathered.lock().done(track, units) {
            self.wake(Track::Main);
        }
    }

    pub(super) fn on_reminded(&self) -> Option<&OnReminded> {
        self.on_reminded.get()
    }

    /// Commits the units, in one transaction unless some must be left out. It is quiet
    /// when nothing ends elsewhere meanwhile.
    async fn commit(&self, units: Vec<Unit>, is_quiet: bool, untold: &mut Untold) {
        // The last part is the next one.
        let mut parts = vec![units];
        while let Some(mut units) = parts.pop() {
            if units.iter().any(Unit::is_superseded) {
                untold.tell();
                fail_superseded(&mut units);
            }
            if units.is_empty() {
                continue;
            }
            self.metrics.batch_units.record(units.len() as f64);
            let keys = keys_of(units.iter().flat_map(|unit| unit.writes.reminders()));
            let reminders = match untold.told_while(self.reminders(keys)).await {
                Ok(reminders) => reminders,
                Err(error) => {
                    tracing::warn!(error = text(&error), "reminders of a commit cannot be read");
                    untold.tell();
                    let speaks = |unit: &Unit| !unit.writes.reminders().is_empty();
                    let (speaking, others) = units.into_iter().partition(speaks);
                    fail_all(speaking, &CommitFailure::Storage(error));
                    parts.push(others);
                    continue;
                }
            };
            let now = self.clock.wall();
            let next_seq = || self.seqs.next(now);
            let mut batch = gather(&mut units, next_seq);
            let reminded = apply_all(reminders, &units, now, next_seq, &mut batch);
            let accepting = batch.accepts.first().map(|first| self.accepting.begin(first.seq));
            let batch = Arc::new(batch);
            let asks = !batch.is_empty() || units.iter().any(|unit| unit.writes.confirm);
            let result = match asks {
                true => untold.told_while(self.write(&batch)).await,
                false => Ok(Committed::default()),
            };
            let error = match result {
                Ok(mut committed) => {
                    let accepts = &mut committed.accepts;
                    let quiet = match is_quiet {
                        true => None,
                        false => untold.told_while(self.look_for_ends(accepts)).await,
                    };
                    untold.put(Durable { units, batch, committed, reminded, accepting });
                    if quiet.is_some() {
                        untold.tell();
                    }
                    continue;
                }
                Err(error) => error,
            };
            untold.tell();
            self.metrics.commit_failures.increment(1);
            match error {
                StorageError::Fenced { .. } | StorageError::UnknownOutcome { .. } => {
                    tracing::error!(error = text(&error), "this runner ends");
                    self.end_fenced();
                    fail_all(units, &CommitFailure::Storage(error));
                    let rest = parts.into_iter().rev().flatten().collect();
                    return fail_all(rest, &CommitFailure::Stopped);
                }
                error => {
                    tracing::warn!(error = text(&error), units = units.len(), "a commit failed");
                    parts.extend(what_is_left(units, batch, &error));
                }
            }
        }
    }

    /// A request that was found as known may have ended meanwhile on the other track: who joins it
    /// is told so, since those who waited are told without it. Until what comes back is dropped,
    /// nothing ends there.
    async fn look_for_ends(&self, accepts: &mut [Accepted]) -> Option<RwLockWriteGuard<'_, ()>> {
        let running = accepts.iter_mut().filter_map(Accepted::known_mut);
        let mut running: Vec<_> = running.filter(|known| known.outcome.is_none()).collect();
        if running.is_empty() || !self.has_two_tracks() {
            return None;
        }
        let quiet = self.ending.write().await;
        let mut pause = Pause::default();
        loop {
            let ids = running.iter().map(|known| known.id).collect();
            match self.storage.find_requests(ids).await {
                Ok(found) => {
                    for (known, found) in running.iter_mut().zip(found) {
                        known.outcome = found.and_then(|found| found.outcome);
                    }
                    return Some(quiet);
                }
                // They wait for an end that somebody else would tell them of.
                Err(_) if self.is_closed() && pause.count >= self.attempts - 1 => {
                    return Some(quiet);
                }
                Err(error) => {
                    tracing::warn!(
                        error = text(&error),
                        "requests with known keys could not be looked up"
                    );
                    pause.wait(&self.clock).await;
                }
            }
        }
    }

    /// The reminders of these keys, as they stand; to be called with the lane.
    ///
    /// # Errors
    /// The storage did not answer, a few times; or what it holds cannot be read.
    pub(super) async fn reminders(
        &self,
        keys: Vec<ReminderKey>,
    ) -> Result<Reminders, StorageError> {
        let mut pause = Pause::default();
        loop {
            match Reminders::of(&*self.storage, keys.clone()).await {
                Err(StorageError::Unavailable { .. }) if pause.count < self.attempts - 1 => {
                    pause.wait(&self.clock).await;
                }
                result => return result,
            }
        }
    }

    /// Writes a batch until its fate is known: an unknown outcome is settled by raising the fence
    /// and writing the same batch again, however often that fails; a sure failure is tried again a
    /// few times.
    ///
    /// # Errors
    /// Nothing was written. But after `UnknownOutcome` nobody here will ever know: another
    /// incarnation has taken over, or the runner ends while the storage is away.
    async fn write(&self, batch: &Arc<Batch>) -> Result<Committed, StorageError> {
        self.saw_ends(batch);
        let mut unknown = None;
        let mut pause = Pause::default();
        loop {
            let (started, fence) = (self.clock.now(), self.fence());
            let error = match self.storage.commit(fence, batch.clone()).await {
                Ok(committed) => {
                    self.metrics.commits.increment(1);
                    self.metrics.commit_seconds.record((self.clock.now() - started).as_secs_f64());
                    return Ok(committed);
                }
                Err(error) => error,
            };
            match error {
                StorageError::UnknownOutcome { .. } => {
                    tracing::warn!(
                        error = text(&error),
                        "raising the fence to learn a commit's outcome"
                    );
                    if self.raise(fence).await.is_err() {
                        return Err(error);
                    }
                    unknown = Some(error);
                }
                // Raised for the transaction on the other track.
                StorageError::Fenced { .. } if self.is_raised(fence).await => {}
                StorageError::Unavailable { .. } => {
                    if pause.count >= self.attempts - 1 && (unknown.is_none() || self.is_closed()) {
                        return Err(unknown.unwrap_or(error));
                    }
                    pause.wait(&self.clock).await;
                }
                StorageError::Fenced { .. } => return Err(unknown.unwrap_or(error)),
                error => return Err(error),
            }
        }
    }

    /// Whether the fence has risen above this one, which somebody may be about to learn.
    pub(crate) async fn is_raised(&self, above: Fence) -> bool {
        let _told = self.raising.lock().await;
        self.fence() != above
    }

    /// Raises the fence from where it stood, unless another has; goes on until the storage answers,
    /// since nothing may be written before, unless the runner ends.
    pub(super) async fn raise(&self, from: Fence) -> Result<(), StorageError> {
        let _alone = self.raising.lock().await;
        if self.fence() != from {
            return Ok(());
        }
        let mut pause = Pause::default();
        loop {
            let error = match self.storage.raise_fence(from).await {
                Ok(fence) => {
                    *self.fence.lock() = fence;
                    return Ok(());
                }
                Err(error) => error,
            };
            match error {
                StorageError::Unavailable { .. } | StorageError::UnknownOutcome { .. } => {
                    tracing::warn!(
                        error = text(&error),
                        "the fence could not be raised, trying again"
                    );
                    if pause.count >= self.attempts - 1 && self.is_closed() {
                        return Err(error);
                    }
                    pause.wait(&self.clock).await;
                }
                error => return Err(error),
            }
        }
    }
}

/// The last request that ends by these.
fn last_end(units: &[Unit]) -> Option<Seq> {
    units.iter().filter_map(|unit| unit.writes.outcome.as_ref()).map(|row| row.seq).max()
}

/// The waits between attempts: each twice as long as the one before.
#[derive(Default)]
struct Pause {
    count: u32,
}

impl Pause {
    async fn wait(&mut self, clock: &Clock) {
        let wait = RETRY_WAIT_MIN.saturating_mul(1 << self.count.min(16)).min(RETRY_WAIT_MAX);
        self.count += 1;
        clock.sleep(wait).await;
    }
}
