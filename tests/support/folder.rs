//! Where database files are.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use cluster::storage::StorageError;
use cluster::time::Clock;
use cluster_sql::{Sqlite, Synchronous};

/// A new folder, removed at the end. What is left of a failed test is for people to look at.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static FOLDERS: AtomicU32 = AtomicU32::new(0);
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("cluster-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // Whatever a killed test of the same process id has left there.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).expect("a new folder can be made");
        Folder(path)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.0.join("test.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// Opens a database, once a process or cluster before has let go of it.
pub(crate) async fn open_sqlite(path: &Path, clock: &Clock) -> Sqlite {
    loop {
        // What is tested is killed processes, not lost power: the system's memory is enough.
        let options = Sqlite::options(path).synchronous(Synchronous::Normal).clock(clock.clone());
        match options.open().await {
            Ok(storage) => return storage,
            Err(StorageError::InUse { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("the database cannot be opened: {error}"),
        }
    }
}
