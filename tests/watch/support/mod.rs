//! What these tests share.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cluster::Sqlite;
use cluster::storage::{MemoryStorage, Storage};
use cluster::time::Clock;

/// What takes longer hangs.
const HANG: std::time::Duration = std::time::Duration::from_secs(30);

/// Waits for what must not hang.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    Clock::system().timeout(HANG, future).await.expect("nothing hangs")
}

/// Waits until something is so that nobody announces.
pub(crate) async fn until(is_so: impl Fn() -> bool) {
    soon(async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Makes a test of one body for each storage, on one thread.
macro_rules! on_each_storage {
    ($body:ident) => {
        mod $body {
            #[tokio::test]
            async fn memory() {
                crate::support::soon(super::$body(crate::support::memory())).await;
            }

            #[tokio::test]
            async fn sqlite() {
                let folder = crate::support::Folder::new();
                crate::support::soon(super::$body(folder.sqlite().await)).await;
            }
        }
    };
}
pub(crate) use on_each_storage;

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
        let path = std::env::temp_dir().join(format!("watch-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).expect("a new folder can be made");
        Folder(path)
    }

    /// An empty database in it.
    pub(crate) async fn sqlite(&self) -> Arc<dyn Storage> {
        Arc::new(Sqlite::open(self.0.join("watch.db")).await.expect("a new database can be opened"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
