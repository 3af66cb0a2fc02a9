//! Where clusters are started, crashed and started again.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use cluster::storage::{Faults, FaultyStorage, MemoryStorage, Storage, StorageError};
use cluster::time::{Clock, Timestamp, VirtualClock};
use cluster::{Cluster, ClusterBuilder};
use cluster_sql::{Sqlite, Synchronous};

use super::Door;

/// A database that outlives its clusters, with a door and faults before it.
pub(crate) struct Bed {
    place: Place,
    clock: Clock,
    /// The clock, where it is a virtual one.
    time: Option<Arc<VirtualClock>>,
    pub(crate) door: Door,
    faults: Faults,
    faulty: Mutex<Option<FaultyStorage>>,
    /// What was opened last, for whoever looks whether it is still held.
    opened: Mutex<Option<Weak<dyn Storage>>>,
}

enum Place {
    Memory(MemoryStorage),
    Sqlite(Folder),
    /// A file that others use as well, before or after.
    File(PathBuf),
}

impl Bed {
    pub(crate) fn memory() -> Self {
        let clock = Clock::system();
        Bed::at(Place::Memory(MemoryStorage::new(clock.clone())), clock)
    }

    pub(crate) fn sqlite() -> Self {
        Bed::at(Place::Sqlite(Folder::new()), Clock::system())
    }

    /// On a file that others use as well, before or after.
    pub(crate) fn on_file(path: PathBuf) -> Self {
        Bed::at(Place::File(path), Clock::system())
    }

    fn at(place: Place, clock: Clock) -> Self {
        let door = Door::open();
        Bed {
            place,
            clock,
            time: None,
            door,
            faults: Faults::new(1),
            faulty: Mutex::default(),
            opened: Mutex::default(),
        }
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

    pub(crate) fn is_memory(&self) -> bool {
        matches!(self.place, Place::Memory(_))
    }

    /// The database's file.
    pub(crate) fn database(&self) -> PathBuf {
        match &self.place {
            Place::Memory(_) => panic!("there is no file"),
            Place::Sqlite(folder) => folder.database(),
            Place::File(path) => path.clone(),
        }
    }

    /// The faults of the storage that was opened last.
    pub(crate) fn faulty(&self) -> FaultyStorage {
        self.faulty.lock().unwrap().clone().expect("a storage was opened")
    }

    /// Opens the database anew, behind faults and door. Waits until an ended cluster has let go of
    /// it: one that never does keeps everything it has ever held.
    pub(crate) async fn open(&self) -> Arc<dyn Storage> {
        *self.faulty.lock().unwrap() = None;
        while self.is_held() {
            tokio::task::yield_now().await;
        }
        let storage: Arc<dyn Storage> = match &self.place {
            Place::Memory(storage) => Arc::new(storage.clone()),
            _ => Arc::new(open_sqlite(&self.database(), &self.clock).await),
        };
        let faulty = FaultyStorage::new(storage, self.faults.clone(), self.clock.clone());
        *self.faulty.lock().unwrap() = Some(faulty.clone());
        let opened = self.door.before(Arc::new(faulty));
        *self.opened.lock().unwrap() = Some(Arc::downgrade(&opened));
        opened
    }

    /// Whether somebody still holds the storage that was opened last.
    pub(crate) fn is_held(&self) -> bool {
        let opened = self.opened.lock().unwrap();
        opened.as_ref().is_some_and(|opened| opened.upgrade().is_some())
    }

    /// Starts a cluster with short back-offs, on the database as the one before has left it.
    pub(crate) async fn start(
        &self,
        configure: impl FnOnce(ClusterBuilder) -> ClusterBuilder,
    ) -> Cluster {
        let builder = Cluster::builder().storage(self.open().await).clock(self.clock.clone());
        let builder = builder.config(|config| {
            config.attempts = 3;
            config.backoff_min = Duration::from_millis(1);
            config.backoff_max = Duration::from_millis(20);
        });
        configure(builder).start().await.expect("the cluster starts")
    }

    /// Starts a cluster beside one that runs, which is then fenced off; in memory only.
    pub(crate) async fn start_beside(
        &self,
        configure: impl FnOnce(ClusterBuilder) -> ClusterBuilder,
    ) -> Cluster {
        let Place::Memory(storage) = &self.place else { panic!("the file is locked") };
        let builder = Cluster::builder().storage(storage.clone()).clock(self.clock.clone());
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
}

/// Lets everything run that can.
pub(crate) async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

async fn open_sqlite(path: &Path, clock: &Clock) -> Sqlite {
    loop {
        // What is tested here is killed processes, not lost power: the system's memory is enough.
        let options = Sqlite::options(path).synchronous(Synchronous::Normal).clock(clock.clone());
        match options.open().await {
            Ok(storage) => return storage,
            Err(StorageError::InUse { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("the database cannot be opened: {error}"),
        }
    }
}

/// A new folder, removed at the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static FOLDERS: AtomicU32 = AtomicU32::new(0);
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("cluster-durable-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("a new folder can be made");
        Folder(path)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.0.join("test.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
