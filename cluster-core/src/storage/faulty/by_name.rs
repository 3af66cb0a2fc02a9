//! Faults by their names, one kind or several: `Fault::slow(..) | Fault::unknown_commit(..)`.

use std::ops::BitOr;
use std::time::Duration;

use super::faults::{Fault, Faults};

/// The faults that fire by themselves, by name. Their seed is the cluster's, or zero.
impl Fault {
    /// [`Faults::unknown_commit`] alone.
    pub fn unknown_commit(probability: f64) -> Faults {
        Faults::none().unknown_commit(probability)
    }

    /// [`Faults::fail_before_commit`] alone.
    pub fn fail_before_commit(probability: f64) -> Faults {
        Faults::none().fail_before_commit(probability)
    }

    /// [`Faults::fail_reads`] alone.
    pub fn fail_reads(probability: f64) -> Faults {
        Faults::none().fail_reads(probability)
    }

    /// [`Faults::slow`] alone.
    pub fn slow(probability: f64, delay_max: Duration) -> Faults {
        Faults::none().slow(probability, delay_max)
    }

    /// [`Faults::hang`] alone.
    pub fn hang(probability: f64) -> Faults {
        Faults::none().hang(probability)
    }

    /// [`Faults::disconnect`] alone.
    pub fn disconnect(probability: f64, outage_max: Duration) -> Faults {
        Faults::none().disconnect(probability, outage_max)
    }
}

/// The faults of both: what both have is as probable as that either fires, times are the longer
/// ones, and the seed is the first that there is.
impl BitOr for Faults {
    type Output = Faults;

    fn bitor(self, other: Faults) -> Faults {
        let either = |one: f64, another: f64| one + another - one * another;
        let mut hits = self.hits;
        hits.extend(other.hits);
        hits.sort_unstable();
        hits.dedup();
        Faults {
            seed: self.seed.or(other.seed),
            unknown: either(self.unknown, other.unknown),
            refused: either(self.refused, other.refused),
            failed_reads: either(self.failed_reads, other.failed_reads),
            slow: either(self.slow, other.slow),
            delay_max: self.delay_max.max(other.delay_max),
            hung: either(self.hung, other.hung),
            cut: either(self.cut, other.cut),
            outage_max: self.outage_max.max(other.outage_max),
            hits,
        }
    }
}
