//! Which faults fire when.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::storage::StorageError;
use crate::time::Moment;

/// What a [`FaultyStorage`](super::FaultyStorage) does to a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing is done, and the caller is told so: `Unavailable`.
    Refused,
    /// It is done, but the caller is told `UnknownOutcome`.
    DoneUnknown,
    /// Nothing is done, and the caller is told `UnknownOutcome`.
    LostUnknown,
    /// The caller is told `UnknownOutcome` while the commit is still on its way: it arrives shortly
    /// before the next raising of the fence or joining, or after it, when the storage must refuse
    /// it. Only for [`Write::Commit`]; another write is done at once.
    LateUnknown,
    /// There is no answer until the storage is healed; then it is done.
    Hung,
}

/// The writes that faults can hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Write {
    /// Joining.
    Join,
    /// Renewing the lease.
    Renew,
    /// Taking shards.
    TakeShards,
    /// Raising the fence.
    RaiseFence,
    /// Leaving.
    Leave,
    /// Setting the offset of cluster time.
    SetTimeOffset,
    /// Committing a batch.
    Commit,
    /// Opening a user's transaction: every fault is [`Fault::Refused`].
    Begin,
    /// Committing a user's transaction.
    Transaction,
    /// Writing into the inbox.
    Wish,
    /// A step of retention.
    Retire,
    /// Storing shapes.
    StoreShapes,
    /// Storing contracts.
    StoreContracts,
}

/// The faults that fire by themselves, drawn from a seed: the same calls in the same order meet the
/// same faults. A probability is a number from 0 to 1.
///
/// One kind is made by its name, such as [`Fault::slow`]; `|` adds kinds together.
#[derive(Debug, Clone)]
pub struct Faults {
    /// `None`: whoever wraps a storage gives it.
    pub(super) seed: Option<u64>,
    pub(super) unknown: f64,
    pub(super) refused: f64,
    pub(super) failed_reads: f64,
    pub(super) slow: f64,
    pub(super) delay_max: Duration,
    pub(super) hung: f64,
    pub(super) cut: f64,
    pub(super) outage_max: Duration,
    pub(super) hits: Vec<Write>,
}

impl Faults {
    /// No faults yet, and the seed of those to come.
    pub fn new(seed: u64) -> Self {
        Faults { seed: Some(seed), ..Faults::none() }
    }

    /// No faults, and no seed yet.
    pub(super) fn none() -> Self {
        Faults {
            seed: None,
            unknown: 0.0,
            refused: 0.0,
            failed_reads: 0.0,
            slow: 0.0,
            delay_max: Duration::ZERO,
            hung: 0.0,
            cut: 0.0,
            outage_max: Duration::ZERO,
            hits: vec![Write::Commit, Write::Transaction, Write::RaiseFence, Write::Retire],
        }
    }

    /// How probably the caller of a write is told `UnknownOutcome`: done, lost or late, one as
    /// probable as the others.
    #[must_use]
    pub fn unknown_commit(mut self, probability: f64) -> Self {
        self.unknown = probability;
        self
    }

    /// How probably a write is refused with `Unavailable`, with nothing done.
    #[must_use]
    pub fn fail_before_commit(mut self, probability: f64) -> Self {
        self.refused = probability;
        self
    }

    /// How probably a read fails with `Unavailable`.
    #[must_use]
    pub fn fail_reads(mut self, probability: f64) -> Self {
        self.failed_reads = probability;
        self
    }

    /// How probably a call of any kind is slow, and by how much at most.
    #[must_use]
    pub fn slow(mut self, probability: f64, delay_max: Duration) -> Self {
        self.slow = probability;
        self.delay_max = delay_max;
        self
    }

    /// How probably a call of any kind hangs: it gets no answer until the storage is healed, then
    /// it is done.
    #[must_use]
    pub fn hang(mut self, probability: f64) -> Self {
        self.hung = probability;
        self
    }

    /// How probably a call of any kind meets a lost connection, and how long that stays lost at
    /// most: until then this call and all others fail with `Unavailable`, with nothing done.
    #[must_use]
    pub fn disconnect(mut self, probability: f64, outage_max: Duration) -> Self {
        self.cut = probability;
        self.outage_max = outage_max;
        self
    }

    /// The seed, where none was given before.
    pub(crate) fn or_seed(mut self, seed: u64) -> Self {
        self.seed.get_or_insert(seed);
        self
    }

    /// Which writes they hit; at first commits, users' transactions, fences and retention.
    #[must_use]
    pub fn hit(mut self, writes: &[Write]) -> Self {
        self.hits = writes.to_vec();
        self
    }
}

/// What a [`FaultyStorage`](super::FaultyStorage) has seen and done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct FaultCounts {
    /// Calls of any kind.
    pub calls: u64,
    /// Batches that the storage behind was asked to commit, those of users' transactions included.
    pub commits: u64,
    /// Writes refused with nothing done.
    pub refused: u64,
    /// Writes done while the caller was told `UnknownOutcome`.
    pub done_unknown: u64,
    /// Writes not done while the caller was told `UnknownOutcome`.
    pub lost_unknown: u64,
    /// Late commits that were stored.
    pub late_stored: u64,
    /// Late commits that the storage refused.
    pub late_refused: u64,
    /// Reads that failed.
    pub failed_reads: u64,
    /// Calls that were slow.
    pub slowed: u64,
    /// Calls that hung.
    pub hung: u64,
    /// Calls that failed for want of a connection.
    pub disconnected: u64,
}

impl FaultCounts {
    /// Faults of all kinds together; a slow call is one, and a hung one.
    pub fn faults(&self) -> u64 {
        let unknown = self.done_unknown + self.lost_unknown + self.late_stored + self.late_refused;
        let refused = self.refused + self.failed_reads + self.disconnected;
        unknown + refused + self.slowed + self.hung
    }
}

/// The way of a call to the storage.
pub(super) enum Way {
    /// There is no connection.
    Cut,
    Open {
        /// It is slow.
        delay: Option<Duration>,
        /// It hangs until the storage was healed more often than this.
        hangs: Option<u64>,
    },
}

/// Decides for every call what happens to it.
#[derive(Debug)]
pub(super) struct Dice {
    faults: Faults,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    random: StdRng,
    /// Random faults fire no more.
    healed: bool,
    /// Random faults fire later.
    waiting: bool,
    /// How often it was healed: what hangs waits for the next time.
    heals: u64,
    /// Every call hangs.
    hangs: bool,
    /// Every call fails until then.
    cut_until: Option<Moment>,
    /// The next writes of a kind: which fault, how many times.
    script: HashMap<Write, (Fault, u32)>,
    /// How many writes a script has failed: whoever tries them again makes a pause first.
    failed: u64,
    counts: FaultCounts,
}

impl Dice {
    pub(super) fn new(faults: Faults) -> Self {
        let random = StdRng::seed_from_u64(faults.seed.unwrap_or_default());
        let counts = FaultCounts::default();
        let state = State {
            random,
            healed: false,
            waiting: false,
            heals: 0,
            hangs: false,
            cut_until: None,
            script: HashMap::new(),
            failed: 0,
            counts,
        };
        Dice { faults, state: Mutex::new(state) }
    }

    pub(super) fn fail_next(&self, write: Write, fault: Fault, times: u32) {
        self.state.lock().script.insert(write, (fault, times));
    }

    pub(super) fn heal(&self) {
        let mut state = self.state.lock();
        state.healed = true;
        state.heals += 1;
        state.hangs = false;
        state.cut_until = None;
        state.script.clear();
    }

    pub(super) fn wait(&self) {
        self.state.lock().waiting = true;
    }

    pub(super) fn go_on(&self) {
        self.state.lock().waiting = false;
    }

    pub(super) fn is_healed(&self) -> bool {
        self.state.lock().healed
    }

    pub(super) fn heals(&self) -> u64 {
        self.state.lock().heals
    }

    pub(super) fn hang(&self) {
        self.state.lock().hangs = true;
    }

    pub(super) fn cut(&self, until: Moment) {
        self.state.lock().cut_until = Some(until);
    }

    pub(super) fn failed(&self) -> u64 {
        self.state.lock().failed
    }

    pub(super) fn counts(&self) -> FaultCounts {
        self.state.lock().counts
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut FaultCounts)) {
        count(&mut self.state.lock().counts);
    }

    /// A call begins: what happens to it before it comes to the storage.
    pub(super) fn way(&self, now: Moment) -> Way {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        state.counts.calls += 1;
        let slow = state.happens(self.faults.slow);
        let delay = slow.then(|| self.faults.delay_max.mul_f64(state.random.random()));
        let hangs = state.happens(self.faults.hung) || state.hangs;
        if state.happens(self.faults.cut) {
            let outage = self.faults.outage_max.mul_f64(state.random.random());
            // The call that meets it fails, however short it is.
            state.cut_until = Some(now + outage.max(Duration::from_nanos(1)));
        }
        if state.cut_until.is_some_and(|until| now < until) {
            state.counts.disconnected += 1;
            return Way::Cut;
        }
        state.counts.slowed += u64::from(slow);
        state.counts.hung += u64::from(hangs);
        Way::Open { delay, hangs: hangs.then_some(state.heals) }
    }

    pub(super) fn read_fails(&self) -> bool {
        let mut state = self.state.lock();
        let fails = state.happens(self.faults.failed_reads);
        state.counts.failed_reads += u64::from(fails);
        fails
    }

    /// The fault that hits this write.
    pub(super) fn fault(&self, write: Write) -> Option<Fault> {
        let mut state = self.state.lock();
        let scripted = state.scripted(write);
        // Nobody waits for a renewal to be tried again.
        let waited_for = write != Write::Renew;
        let failed = scripted.is_some_and(|fault| fault != Fault::Hung);
        state.failed += u64::from(waited_for && failed);
        let fault = scripted.or_else(|| {
            let hit = self.faults.hits.contains(&write);
            hit.then(|| state.drawn(self.faults.refused, self.faults.unknown)).flatten()
        })?;
        let fault = match (fault, write) {
            (_, Write::Begin) => Fault::Refused,
            (Fault::LateUnknown, write) if write != Write::Commit => Fault::DoneUnknown,
            (fault, _) => fault,
        };
        let counts = &mut state.counts;
        match fault {
            Fault::Refused => counts.refused += 1,
            Fault::DoneUnknown => counts.done_unknown += 1,
            Fault::LostUnknown => counts.lost_unknown += 1,
            Fault::Hung => counts.hung += 1,
            // Counted when it arrives.
            Fault::LateUnknown => {}
        }
        Some(fault)
    }

    /// Whether late commits arrive before the fence is raised.
    pub(super) fn late_arrives_before(&self) -> bool {
        self.state.lock().random.random()
    }
}

impl State {
    /// Draws also when healed or impossible, so that one setting does not shift all other draws.
    fn happens(&mut self, probability: f64) -> bool {
        let drawn: f64 = self.random.random();
        drawn < probability && !self.healed && !self.waiting
    }

    fn scripted(&mut self, write: Write) -> Option<Fault> {
        let (fault, times) = self.script.get_mut(&write)?;
        let fault = *fault;
        *times = times.checked_sub(1)?;
        Some(fault)
    }

    fn drawn(&mut self, refused: f64, unknown: f64) -> Option<Fault> {
        let kinds = [Fault::DoneUnknown, Fault::LostUnknown, Fault::LateUnknown];
        let kind = kinds[self.random.random_range(0..kinds.len())];
        if self.happens(unknown) {
            return Some(kind);
        }
        self.happens(refused).then_some(Fault::Refused)
    }
}

/// The source of an injected error.
#[derive(Debug, thiserror::Error)]
#[error("injected fault: {0}")]
struct Injected(&'static str);

/// An injected error that says that nothing was done.
pub(super) fn refused() -> StorageError {
    StorageError::unavailable(Injected("refused"))
}

/// An injected error that says that the storage was not reached.
pub(super) fn disconnected() -> StorageError {
    StorageError::unavailable(Injected("disconnected"))
}

/// An injected error that says nothing about what was done.
pub(super) fn unknown() -> StorageError {
    StorageError::unknown_outcome(Injected("connection lost"))
}
