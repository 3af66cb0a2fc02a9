//! The runner's lease, as it knows of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::time::Moment;

/// When the lease was renewed last.
#[derive(Debug)]
pub(crate) struct Lease {
    /// The moment in nanoseconds: before the renewal was asked for, so never too late.
    renewed: AtomicU64,
}

impl Lease {
    pub(crate) fn renewed_at(moment: Moment) -> Self {
        Lease { renewed: AtomicU64::new(moment.as_nanos()) }
    }

    /// A renewal that was asked for then has come through.
    pub(crate) fn renew(&self, asked: Moment) {
        self.renewed.store(asked.as_nanos(), Ordering::Relaxed);
    }

    /// How long ago that was.
    pub(crate) fn age(&self, now: Moment) -> Duration {
        now - Moment::from_nanos(self.renewed.load(Ordering::Relaxed))
    }
}
