//! Where clusters are started, ended and started again.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cluster::storage::{MemoryStorage, Storage, StorageError};
use cluster::time::{Clock, Timestamp, VirtualClock};
use cluster::{Cluster, ClusterBuilder};
use cluster_sql::{Sqlite, Synchronous};

use super::poll_once;

/// A database that outlives its clusters, and their clock.
pub(crate) struct Bed {
    place: Place,
    clock: Clock,
    /// The clock, where it is a virtual one.
    time: Option<Arc<VirtualClock>>,
}

enum Place {
    Memory(MemoryStorage),
    Sqlite(Folder),
}

impl Bed {
    pub(crate) fn memory() -> Self {
        let clock = Clock::system();
        Bed { place: Place::Memory(MemoryStorage::new(clock.clone())), clock, time: None }
    }

    pub(crate) fn sqlite() -> Self {
        Bed { place: Place::Sqlite(Folder::new()), clock: Clock::system(), time: None }
    }

    /// The same, on a clock that only the test moves.
    pub(crate) fn with_virtual_time(mut self) -> Self {
        let time = VirtualClock::starting_at(Timestamp::from_unix_ms(1_800_000_000_000));
        self.clock = Clock::from_virtual(time.clone());
        if let Place::Memory(_) = self.place {
            self.place = Place::Memory(MemoryStorage::new(self.clock.clone()));
        }
        self.time = Some(time);
        self
    }

    /// The virtual clock.
    pub(crate) fn time(&self) -> &VirtualClock {
        self.time.as_ref().expect("made with virtual time")
    }

    pub(crate) fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// Opens the database anew. Waits until an ended cluster has let go of it.
    pub(crate) async fn open(&self) -> Arc<dyn Storage> {
        match &self.place {
            Place::Memory(storage) => Arc::new(storage.clone()),
            Place::Sqlite(folder) => Arc::new(open_sqlite(&folder.database(), &self.clock).await),
        }
    }

    /// The database file, where there is one.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        match &self.place {
            Place::Memory(_) => None,
            Place::Sqlite(folder) => Some(folder.database()),
        }
    }

    /// Starts a cluster on the database as the one before has left it.
    pub(crate) async fn start(
        &self,
        configure: impl FnOnce(ClusterBuilder) -> ClusterBuilder,
    ) -> Cluster {
        let builder = Cluster::builder().storage(self.open().await).clock(self.clock.clone());
        configure(builder).start().await.expect("the cluster starts")
    }

    /// Moves virtual time on, from timer to timer, giving way to what each timer wakes.
    pub(crate) async fn advance(&self, by: Duration) {
        let time = self.time();
        let end = time.now() + by;
        settle().await;
        while let Some(next) = time.next_timer().filter(|next| *next <= end) {
            time.advance(next - time.now());
            settle().await;
        }
        time.advance(end - time.now());
        settle().await;
    }

    /// Moves virtual time on until the work has ended; says how long that took. Work on a storage
    /// with threads of its own must not wait for them here.
    pub(crate) async fn advance_until<F: Future>(&self, work: F) -> (F::Output, Duration) {
        let time = self.time();
        let began = time.now();
        let mut work = pin!(work);
        loop {
            for _ in 0..100 {
                if let std::task::Poll::Ready(output) = poll_once(&mut work).await {
                    return (output, time.now() - began);
                }
                tokio::task::yield_now().await;
            }
            let next = time.next_timer().expect("something waits for time");
            time.advance(next - time.now());
        }
    }
}

/// Lets everything run that can.
pub(crate) async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

async fn open_sqlite(path: &Path, clock: &Clock) -> Sqlite {
    loop {
        // Nothing here is about lost power: the system's memory is enough.
        let options = Sqlite::options(path).synchronous(Synchronous::Normal).clock(clock.clone());
        match options.open().await {
            Ok(storage) => return storage,
            Err(StorageError::InUse { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("the database cannot be opened: {error}"),
        }
    }
}

/// A new folder, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static FOLDERS: AtomicU32 = AtomicU32::new(0);
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("cluster-mailbox-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("a new folder can be made");
        Folder(path)
    }

    fn database(&self) -> PathBuf {
        self.0.join("test.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
