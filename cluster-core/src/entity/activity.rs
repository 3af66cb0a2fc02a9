//! When an entity was last at work, and whether it is about to be free: known without its lock.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use super::options::Access;
use crate::time::Moment;

/// How often a caller looks whether a plain handler has ended before it queues: about as long as
/// queueing takes.
const LOOKS: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Activity {
    /// When a handler last started, or ended after it was suspended, in units of 2^20 ns; wraps.
    last: AtomicU32,
    /// A plain exclusive handler runs in its caller's poll, on another thread than who asks.
    brief: AtomicBool,
}

impl Activity {
    /// The idle time begins anew.
    #[inline]
    pub(super) fn note(&self, now: Moment) {
        self.last.store(coarse(now), Ordering::Relaxed);
    }

    /// Whether the entity was idle for so long.
    pub(super) fn is_due(&self, now: Moment, idle: Duration) -> bool {
        let age = coarse(now).wrapping_sub(self.last.load(Ordering::Relaxed));
        // It may have been at work after `now` was read.
        let age = u64::try_from(age.cast_signed()).unwrap_or(0);
        age << 20 >= u64::try_from(idle.as_nanos()).unwrap_or(u64::MAX)
    }

    /// Waits a moment for a plain handler to end, which seldom takes longer than to queue for it.
    #[inline]
    pub(super) fn wait_for_brief(&self) {
        for _ in 0..LOOKS {
            if !self.brief.load(Ordering::Relaxed) {
                return;
            }
            std::hint::spin_loop();
        }
    }

    /// A handler starts in its caller's poll.
    #[inline]
    pub(super) fn start(&self, access: Access, plain: bool) {
        if plain && access == Access::Exclusive {
            self.brief.store(true, Ordering::Relaxed);
        }
    }

    /// A handler has ended.
    #[inline]
    pub(super) fn end(&self, access: Access) {
        if access == Access::Exclusive {
            self.brief.store(false, Ordering::Relaxed);
        }
    }
}

/// Units of about a millisecond; wraps after 52 days. An entity that was idle for half of that may
/// stay in memory for the other half.
fn coarse(moment: Moment) -> u32 {
    (moment.as_nanos() >> 20) as u32
}
