//! What the tests share: stages that stop handlers, storages that stop commits, time limits.

mod held;
mod stage;

use std::future::poll_fn;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::task::Poll;
use std::time::Duration;

use cluster::Sqlite;
use cluster::storage::{MemoryStorage, Storage};
use cluster::time::Clock;
use tokio::runtime::{Builder, Runtime};

pub(crate) use held::HeldStorage;
pub(crate) use stage::Stage;

/// What takes longer hangs; far more than any of these tests needs on a busy machine.
const HANG: Duration = Duration::from_secs(60);

/// Waits for what must not hang.
pub(crate) async fn soon<F: IntoFuture>(future: F) -> F::Output {
    Clock::system().timeout(HANG, future.into_future()).await.expect("nothing hangs")
}

/// Waits until something is so that nobody announces: gives way to everybody else, and looks again.
pub(crate) async fn until(is_so: impl Fn() -> bool) {
    soon(async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

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

/// Polls once, as a caller that then turns to something else.
pub(crate) async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
}

/// An empty storage in memory.
pub(crate) fn memory() -> Arc<dyn Storage> {
    Arc::new(MemoryStorage::new(Clock::system()))
}

/// A folder of its own for a test, removed at the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static FOLDERS: AtomicU32 = AtomicU32::new(0);
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("calls-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).expect("a new folder can be made");
        Folder(path)
    }

    /// An empty database in it.
    pub(crate) async fn sqlite(&self, clock: &Clock) -> Arc<dyn Storage> {
        let options = Sqlite::options(self.0.join("calls.db")).clock(clock.clone());
        Arc::new(options.open().await.expect("a new database can be opened"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left of a failed test is for people to look at.
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// Makes a test of one body for each storage; on one thread where the test moves the time, so that
/// everything due has run when time has moved.
macro_rules! on_each_storage {
    ($body:ident) => {
        on_each_storage!($body, flavor = "multi_thread", worker_threads = 2);
    };
    (in virtual time: $body:ident) => {
        on_each_storage!($body, flavor = "current_thread");
    };
    ($body:ident, $($runtime:tt)*) => {
        mod $body {
            #[tokio::test($($runtime)*)]
            async fn memory() {
                super::$body(crate::support::memory()).await;
            }

            #[tokio::test($($runtime)*)]
            async fn sqlite() {
                let folder = crate::support::Folder::new();
                let clock = cluster::time::Clock::system();
                super::$body(folder.sqlite(&clock).await).await;
            }
        }
    };
}
pub(crate) use on_each_storage;

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
