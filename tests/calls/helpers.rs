//! What the tests of calls need beside the shared support.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;

use cluster::storage::{MemoryStorage, Storage};
use cluster::time::Clock;
use tokio::runtime::{Builder, Runtime};

use crate::support::HANG;

/// Runs a test on a thread and a runtime of its own, so that it fails where it would hang the
/// runtime itself.
pub(crate) fn on_own_thread(test: impl FnOnce(Runtime) + Send + 'static) {
    let (ended, wait) = std::sync::mpsc::sync_channel(1);
    let thread = std::thread::spawn(move || {
        test(Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());
        ended.send(()).unwrap();
    });
    match wait.recv_timeout(HANG) {
        Err(RecvTimeoutError::Timeout) => panic!("the runtime hangs"),
        _ => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
    }
}

/// An empty storage in memory.
pub(crate) fn memory() -> Arc<dyn Storage> {
    Arc::new(MemoryStorage::new(Clock::system()))
}

/// Numbers that a seed replays (xorshift64, Marsaglia 2003).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}
