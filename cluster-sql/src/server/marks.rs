//! Marks: up to where an owner need not look for pending requests.
//!
//! Nothing says of a request that it is pending; who recovers a shard looks at the requests above
//! its mark for those that have not ended, and below it only at those that were registered in
//! `behind`. What holds at every moment: **a pending request is above the mark of its shard, or
//! registered.** The marks move in two steps, each a transaction of its own:
//!
//! 1. The mark of the fence rises. That waits for every write under way, and whoever writes later
//!    reads the new mark with the fence: what it accepts at or below it, it registers.
//! 2. All that is pending between the old marks and the new one is registered, and the shards get
//!    the new mark; in several transactions, each of which moves the marks over one window of
//!    requests. This sees whatever was written before the first step; what is written after it
//!    registers itself.
//!
//! Between the steps, or when the second is never made, the old marks hold. What was registered and
//! has ended since is forgotten the next time; until then it does no harm, for who reads asks of
//! each whether it is pending. What becomes pending again registers itself, and so does everything
//! that is written by a transaction of several statements, which does not know the mark.
//!
//! Of one entity, what is registered is found by an index, and what is above the mark is not. So
//! the marks also move when an entity's are asked for and more than a few may be there.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cluster_core::id::Seq;
use cluster_core::storage::OutcomeRow;

/// After so many accepted requests the marks move: as many as are looked at in some milliseconds.
pub(crate) const ACCEPTED_MAX: u64 = 20_000;

/// More than so many are not looked at for one entity, again and again.
const FEW: u64 = 4_000;

/// When the marks of a process's shards move.
pub(crate) struct Marks {
    /// Requests since they moved.
    accepted: AtomicU64,
    /// They are moving.
    moving: AtomicBool,
    /// The highest one that was raised here, or is about to be.
    highest: AtomicU64,
}

impl Default for Marks {
    /// How many the process before has left above them, nobody knows.
    fn default() -> Self {
        Marks {
            accepted: AtomicU64::new(FEW),
            moving: AtomicBool::new(false),
            highest: AtomicU64::new(0),
        }
    }
}

impl Marks {
    /// Counts accepted requests; says whether the marks shall move. Then [`Marks::moved`] follows.
    pub(crate) fn count(&self, accepted: u64) -> bool {
        let count = self.accepted.fetch_add(accepted, Ordering::Relaxed) + accepted;
        count >= ACCEPTED_MAX && !self.moving.swap(true, Ordering::AcqRel)
    }

    /// Whether the marks shall move now that there is time for it, however few requests that are;
    /// else runners that soon end would leave more and more to look at. Then [`Marks::moved`]
    /// follows.
    pub(crate) fn are_behind(&self) -> bool {
        self.shall_move_after(1)
    }

    /// Whether the marks shall move because what is above them is looked through for one entity.
    /// Then [`Marks::moved`] follows.
    pub(crate) fn are_far_behind(&self) -> bool {
        self.shall_move_after(FEW)
    }

    fn shall_move_after(&self, accepted: u64) -> bool {
        self.accepted.load(Ordering::Relaxed) >= accepted
            && !self.moving.swap(true, Ordering::AcqRel)
    }

    /// Says how far they are raised next, before it is done.
    pub(crate) fn raise(&self, mark: Seq) {
        self.highest.fetch_max(mark.as_u64(), Ordering::Relaxed);
    }

    /// Whether a request is at or below the highest one that was raised here, so that it may be
    /// registered. One that is and has ended does no harm.
    pub(crate) fn are_above(&self, seq: Seq) -> bool {
        seq.as_u64() <= self.highest.load(Ordering::Relaxed)
    }

    /// Whether any of these ends is of a request of which something else may say that it waits.
    pub(crate) fn may_stand_elsewhere(&self, ends: &[OutcomeRow]) -> bool {
        ends.iter().any(|end| end.elsewhere || self.are_above(end.seq))
    }

    /// They have moved, or could not.
    pub(crate) fn moved(&self) {
        self.accepted.store(0, Ordering::Relaxed);
        self.moving.store(false, Ordering::Release);
    }
}
