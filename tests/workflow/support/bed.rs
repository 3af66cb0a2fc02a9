//! Where clusters are started, crashed and started again.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use cluster::storage::{History, MemoryStorage, Storage, StorageError};
use cluster::time::{Clock, Timestamp, VirtualClock};
use cluster::{Cluster, ClusterBuilder};
use cluster_sql::{Sqlite, Synchronous};
use tokio::sync::OnceCell;

use super::Watch;
use super::mysql::Database;
use super::postgres::Schema;

/// A database that outlives its clusters, with a watch before it, on a clock that only the test
/// moves.
pub(crate) struct Bed {
    place: Place,
    time: Arc<VirtualClock>,
    clock: Clock,
    pub(crate) watch: Watch,
    /// What was opened last.
    opened: Mutex<Option<Weak<dyn Storage>>>,
}

enum Place {
    Memory(MemoryStorage),
    Sqlite(Folder),
    /// Made when it is first opened.
    Postgres(OnceCell<Schema>),
    MySql(OnceCell<Database>),
    /// A file that others use as well, before or after.
    File(PathBuf),
}

impl Bed {
    pub(crate) fn memory() -> Self {
        Bed::at(|clock| Place::Memory(MemoryStorage::new(clock)))
    }

    pub(crate) fn sqlite() -> Self {
        Bed::at(|_| Place::Sqlite(Folder::new()))
    }

    /// On a MariaDB, which must be there.
    pub(crate) fn mysql() -> Self {
        Bed::at(|_| Place::MySql(OnceCell::new()))
    }

    /// On a PostgreSQL, which must be there.
    pub(crate) fn postgres() -> Self {
        Bed::at(|_| Place::Postgres(OnceCell::new()))
    }

    /// Where others are as well, on the machine's clock: see [`Bed::address`].
    pub(crate) fn at_address(address: &str) -> Self {
        let place = match address.split_once("://") {
            Some(("postgres", _)) => Place::Postgres(Schema::at(address).into()),
            Some(_) => Place::MySql(Database::at(address).into()),
            None => Place::File(address.into()),
        };
        Bed::at(|_| place).in_real_time()
    }

    /// It holds nothing that another process could need.
    pub(crate) fn let_go(&self) {}

    /// By which other processes find it, once it was opened: a file or a URL.
    pub(crate) fn address(&self) -> String {
        match &self.place {
            Place::Memory(_) => panic!("no other process can have it"),
            Place::Sqlite(folder) => folder.database().display().to_string(),
            Place::File(path) => path.display().to_string(),
            Place::Postgres(schema) => schema.get().expect("it was opened").url.clone(),
            Place::MySql(database) => database.get().expect("it was opened").url.clone(),
        }
    }

    fn at(place: impl FnOnce(Clock) -> Place) -> Self {
        let time = VirtualClock::starting_at(Timestamp::from_unix_ms(1_800_000_000_000));
        let clock = Clock::from_virtual(time.clone());
        Bed {
            place: place(clock.clone()),
            time,
            clock,
            watch: Watch::default(),
            opened: Mutex::default(),
        }
    }

    /// The same on the machine's clock.
    pub(crate) fn in_real_time(mut self) -> Self {
        self.clock = Clock::system();
        if let Place::Memory(_) = self.place {
            self.place = Place::Memory(MemoryStorage::new(self.clock.clone()));
        }
        self
    }

    /// Opens the database anew, once an ended cluster has let go of it.
    pub(crate) async fn open(&self) -> Arc<dyn Storage> {
        let storage: Arc<dyn Storage> = match &self.place {
            Place::Memory(storage) => Arc::new(storage.clone()),
            Place::Sqlite(folder) => Arc::new(open_sqlite(&folder.database(), &self.clock).await),
            Place::Postgres(schema) => {
                let made = async { Schema::new().await.expect("there is a server") };
                Arc::new(schema.get_or_init(|| made).await.open(&self.clock).await)
            }
            Place::MySql(database) => {
                let made = async { Database::new().await.expect("there is a server") };
                Arc::new(database.get_or_init(|| made).await.open(&self.clock).await)
            }
            Place::File(path) => Arc::new(open_sqlite(path, &self.clock).await),
        };
        let opened = self.watch.before(storage);
        *self.opened.lock().expect("nobody panics with it") = Some(Arc::downgrade(&opened));
        opened
    }

    /// Sets how far the database's time is ahead of the clock, while a cluster runs.
    pub(crate) async fn set_cluster_time_offset(&self, offset_ms: i64) {
        let opened = self.opened.lock().expect("nobody panics with it").clone();
        let storage = opened.and_then(|opened| opened.upgrade()).expect("a cluster runs");
        storage.set_cluster_time_offset(offset_ms).await.expect("it can be set");
    }

    /// Starts a cluster on the database as the one before has left it.
    pub(crate) async fn start(
        &self,
        configure: impl FnOnce(ClusterBuilder) -> ClusterBuilder,
    ) -> Cluster {
        self.watch.revive();
        let builder = Cluster::builder().storage(self.open().await).clock(self.clock.clone());
        configure(builder).start().await.expect("the cluster starts")
    }

    /// What is stored of the execution that was started last, while no cluster runs.
    pub(crate) async fn history(&self) -> History {
        self.watch.revive();
        let storage = self.open().await;
        let execution = storage.highest_seq().await.expect("it can be read");
        storage.load_journal(execution).await.expect("it can be read")
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

    /// Lets time pass while no cluster runs.
    pub(crate) fn pass(&self, time: Duration) {
        self.time.advance(time);
    }

    /// Lets everything run that can, the storage included, without moving time.
    pub(crate) async fn settle(&self) {
        let mut before = u64::MAX;
        loop {
            self.watch.at_rest().await;
            for _ in 0..30 {
                tokio::task::yield_now().await;
            }
            let calls = self.watch.all_calls();
            if calls == before && self.watch.is_at_rest() {
                return;
            }
            before = calls;
        }
    }
}

/// Opens a database that a process or cluster before may not have closed yet.
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
        let name = format!("cluster-workflow-test-{}-{number}", std::process::id());
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
