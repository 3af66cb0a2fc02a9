//! Which faults fire when.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::storage::StorageError;

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
}

/// The writes that faults can hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Write {
    /// Joining.
    Join,
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
    /// A step of retention.
    Retire,
    /// Storing shapes.
    StoreShapes,
    /// Storing contracts.
    StoreContracts,
}

/// The faults that fire by themselves, drawn from a seed: the same calls in the same order meet the
/// same faults. A probability is a number from 0 to 1.
#[derive(Debug, Clone)]
pub struct Faults {
    seed: u64,
    unknown: f64,
    refused: f64,
    failed_reads: f64,
    slow: f64,
    delay_max: Duration,
    hits: Vec<Write>,
}

impl Faults {
    /// No faults yet, and the seed of those to come.
    pub fn new(seed: u64) -> Self {
        Faults {
            seed,
            unknown: 0.0,
            refused: 0.0,
            failed_reads: 0.0,
            slow: 0.0,
            delay_max: Duration::ZERO,
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
}

impl FaultCounts {
    /// Faults of all kinds together; a slow call is one.
    pub fn faults(&self) -> u64 {
        let unknown = self.done_unknown + self.lost_unknown + self.late_stored + self.late_refused;
        unknown + self.refused + self.failed_reads + self.slowed
    }
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
    /// The next writes of a kind: which fault, how many times.
    script: HashMap<Write, (Fault, u32)>,
    counts: FaultCounts,
}

impl Dice {
    pub(super) fn new(faults: Faults) -> Self {
        let random = StdRng::seed_from_u64(faults.seed);
        let counts = FaultCounts::default();
        let state = State { random, healed: false, script: HashMap::new(), counts };
        Dice { faults, state: Mutex::new(state) }
    }

    pub(super) fn fail_next(&self, write: Write, fault: Fault, times: u32) {
        self.state.lock().script.insert(write, (fault, times));
    }

    pub(super) fn heal(&self) {
        let mut state = self.state.lock();
        state.healed = true;
        state.script.clear();
    }

    pub(super) fn counts(&self) -> FaultCounts {
        self.state.lock().counts
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut FaultCounts)) {
        count(&mut self.state.lock().counts);
    }

    /// A call begins: how long it is to wait first, if it is slow.
    pub(super) fn delay(&self) -> Option<Duration> {
        let mut state = self.state.lock();
        state.counts.calls += 1;
        if !state.happens(self.faults.slow) {
            return None;
        }
        state.counts.slowed += 1;
        Some(self.faults.delay_max.mul_f64(state.random.random()))
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
        let fault = state.scripted(write).or_else(|| {
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
        drawn < probability && !self.healed
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

/// An injected error that says nothing about what was done.
pub(super) fn unknown() -> StorageError {
    StorageError::unknown_outcome(Injected("connection lost"))
}
