//! Where clusters are started, crashed and started again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cluster::storage::{MemoryStorage, Storage, StorageError};
use cluster::time::{Clock, Timestamp, VirtualClock};
use cluster::{Cluster, ClusterBuilder};
use cluster_sql::{Sqlite, Synchronous};

use super::{Counter, Desk, Meter, Other, Probe};

/// A database that outlives its clusters, with a meter before it, on a clock that only the test
/// moves.
pub(crate) struct Bed {
    place: Place,
    time: Arc<VirtualClock>,
    pub(crate) meter: Meter,
    pub(crate) probe: Probe,
}

enum Place {
    Memory(MemoryStorage),
    Sqlite(Folder),
}

impl Bed {
    pub(crate) fn memory() -> Self {
        Bed::at(|clock| Place::Memory(MemoryStorage::new(clock)))
    }

    pub(crate) fn sqlite() -> Self {
        Bed::at(|_| Place::Sqlite(Folder::new()))
    }

    fn at(place: impl FnOnce(Clock) -> Place) -> Self {
        let time = VirtualClock::starting_at(Timestamp::from_unix_ms(1_800_000_000_000));
        let place = place(Clock::from_virtual(time.clone()));
        Bed { place, time, meter: Meter::default(), probe: Probe::default() }
    }

    fn clock(&self) -> Clock {
        Clock::from_virtual(self.time.clone())
    }

    /// How much time has passed so far.
    pub(crate) fn passed(&self) -> Duration {
        Duration::from_nanos(self.time.now().as_nanos())
    }

    /// Opens the database anew, once an ended cluster has let go of it.
    async fn open(&self) -> Arc<dyn Storage> {
        let storage: Arc<dyn Storage> = match &self.place {
            Place::Memory(storage) => Arc::new(storage.clone()),
            Place::Sqlite(folder) => Arc::new(open_sqlite(&folder.database(), self.clock()).await),
        };
        self.meter.before(storage)
    }

    /// Starts a cluster of all the entities on the database as the one before has left it.
    pub(crate) async fn start(&self) -> Cluster {
        self.start_with(|builder| builder).await
    }

    /// The same with more settings.
    pub(crate) async fn start_with(
        &self,
        configure: impl FnOnce(ClusterBuilder) -> ClusterBuilder,
    ) -> Cluster {
        let builder = Cluster::builder().storage(self.open().await).clock(self.clock());
        let (probe, probe_too) = (self.probe.clone(), self.probe.clone());
        let builder = builder
            .entity::<Counter>()
            .entity_with::<Desk>(move |_| Desk::new(&probe))
            .entity_with::<Other>(move |_| Other::new(&probe_too));
        configure(builder).start().await.expect("the cluster starts")
    }

    /// Moves time on, from timer to timer; what each timer wakes has come to rest before the next.
    pub(crate) async fn advance(&self, by: Duration) {
        let end = self.time.now() + by;
        self.settle().await;
        while let Some(next) = self.time.next_timer().filter(|next| *next <= end) {
            self.time.advance(next - self.time.now());
            self.settle().await;
        }
        self.time.advance(end - self.time.now());
        self.settle().await;
    }

    /// Lets everything run that can, the storage included, without moving time.
    pub(crate) async fn settle(&self) {
        let mut before = u64::MAX;
        loop {
            self.meter.at_rest().await;
            settle().await;
            let calls = self.meter.all_calls();
            if calls == before && self.meter.is_at_rest() {
                return;
            }
            before = calls;
        }
    }
}

/// Lets every task run that can.
async fn settle() {
    for _ in 0..30 {
        tokio::task::yield_now().await;
    }
}

/// Opens a database that a process or cluster before may not have closed yet.
pub(crate) async fn open_sqlite(path: &Path, clock: Clock) -> Sqlite {
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
        let name = format!("cluster-persisted-test-{}-{number}", std::process::id());
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
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
