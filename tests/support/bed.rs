//! Where clusters are started, crashed and started again.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::Poll;
use std::time::Duration;

use cluster::id::RequestId;
use cluster::storage::{
    Faults, FaultyStorage, InboxNumber, MemoryStorage, MessageStorage, Storage, Wish, Wished,
};
use cluster::time::{Clock, Timestamp, VirtualClock};
use cluster::{Cluster, ClusterBuilder};

use super::{Database, Door, Folder, Probe, Schema, User, open_sqlite, poll_once, settle};

/// A database that outlives its clusters, with a door and faults before it.
pub(crate) struct Bed {
    place: Place,
    clock: Clock,
    /// The clock, where it is a virtual one.
    time: Option<Arc<VirtualClock>>,
    /// Before the faults: what clusters ask for.
    pub(crate) door: Door,
    /// Behind the faults: what the database does.
    floor: Door,
    /// For entities that tell what they do.
    pub(crate) probe: Probe,
    faulty: Mutex<Option<FaultyStorage>>,
    /// What was opened last, for whoever looks whether it is still held.
    opened: Mutex<Option<Weak<dyn Storage>>>,
}

enum Place {
    Memory(MemoryStorage),
    Sqlite(Folder),
    Postgres(Schema),
    MySql(Database),
    /// A file that others use as well, before or after.
    File(PathBuf),
}

impl Bed {
    /// On the storage of this name; `None` where its server is not there.
    pub(crate) async fn on(place: &str) -> Option<Self> {
        match place {
            "memory" => Some(Bed::memory()),
            "sqlite" => Some(Bed::sqlite()),
            "postgres" => Bed::postgres().await,
            "mysql" => Bed::mysql().await,
            other => panic!("no storage is called `{other}`"),
        }
    }

    pub(crate) fn memory() -> Self {
        let clock = Clock::system();
        Bed::at(Place::Memory(MemoryStorage::new(clock.clone())), clock)
    }

    pub(crate) fn sqlite() -> Self {
        Bed::at(Place::Sqlite(Folder::new()), Clock::system())
    }

    /// On a MariaDB; `None` where there is none.
    pub(crate) async fn mysql() -> Option<Self> {
        Some(Bed::at(Place::MySql(Database::new().await?), Clock::system()))
    }

    /// On a PostgreSQL; `None` where there is none.
    pub(crate) async fn postgres() -> Option<Self> {
        Some(Bed::at(Place::Postgres(Schema::new().await?), Clock::system()))
    }

    /// Where others are as well, before or after: see [`Bed::address`].
    pub(crate) fn at_address(address: &str) -> Self {
        let place = match address.split_once("://") {
            Some(("postgres", _)) => Place::Postgres(Schema::at(address)),
            Some(_) => Place::MySql(Database::at(address)),
            None => Place::File(address.into()),
        };
        Bed::at(place, Clock::system())
    }

    /// By which other processes find it: a file or a URL.
    pub(crate) fn address(&self) -> String {
        match &self.place {
            Place::Memory(_) => panic!("no other process can have it"),
            Place::Sqlite(folder) => folder.database().display().to_string(),
            Place::File(path) => path.display().to_string(),
            Place::Postgres(schema) => schema.url.clone(),
            Place::MySql(database) => database.url.clone(),
        }
    }

    /// A new one of the same kind, in the same time.
    pub(crate) async fn another(&self) -> Self {
        let bed = match &self.place {
            Place::Memory(_) => Some(Bed::memory()),
            Place::Sqlite(_) | Place::File(_) => Some(Bed::sqlite()),
            Place::Postgres(_) => Bed::postgres().await,
            Place::MySql(_) => Bed::mysql().await,
        };
        let bed = bed.expect("there is one already");
        if self.time.is_some() { bed.with_virtual_time() } else { bed }
    }

    fn at(place: Place, clock: Clock) -> Self {
        Bed {
            place,
            clock,
            time: None,
            door: Door::default(),
            floor: Door::default(),
            probe: Probe::default(),
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

    /// How much virtual time has passed so far.
    pub(crate) fn passed(&self) -> Duration {
        Duration::from_nanos(self.time().now().as_nanos())
    }

    /// Whether nothing is written to any disk: then more can be asked of it.
    pub(crate) fn is_in_memory(&self) -> bool {
        matches!(self.place, Place::Memory(_))
    }

    /// Whether it is a file, which its lock keeps other processes and clusters from.
    pub(crate) fn is_a_file(&self) -> bool {
        matches!(self.place, Place::Sqlite(_) | Place::File(_))
    }

    pub(crate) fn is_on_server(&self) -> bool {
        matches!(self.place, Place::Postgres(_) | Place::MySql(_))
    }

    /// A connection of a user's own to the database.
    pub(crate) async fn user(&self) -> User {
        User::connect(&self.address()).await
    }

    /// Writes into the inbox, as a tool does: by a statement of its own, where there are any.
    pub(crate) async fn wish(&self, wish: Wish, request: RequestId) {
        if let Place::Memory(storage) = &self.place {
            storage.wish(vec![Wished { request, wish }]).await.expect("it has room");
        } else {
            let values = format!("('{request}', '{wish}')");
            let insert = format!("INSERT INTO cluster_inbox (request, wish) VALUES {values}");
            self.user().await.run(&insert).await;
        }
    }

    /// How many rows stand in the inbox of the storage that was opened last.
    pub(crate) async fn wishes_left(&self) -> usize {
        let rows = self.faulty().inbox(InboxNumber::FIRST, usize::MAX).await;
        rows.expect("it can be read").len()
    }

    /// The faults of the storage that was opened last.
    pub(crate) fn faulty(&self) -> FaultyStorage {
        self.faulty.lock().unwrap().clone().expect("a storage was opened")
    }

    /// Lets go of what was opened last, for another process to have it once its cluster has ended.
    pub(crate) fn let_go(&self) {
        *self.faulty.lock().unwrap() = None;
    }

    /// Opens the database anew, behind faults and door. Waits until an ended cluster has let go of
    /// it: one that never does keeps everything it has ever held.
    pub(crate) async fn open(&self) -> Arc<dyn Storage> {
        self.let_go();
        while self.is_held() {
            tokio::task::yield_now().await;
        }
        let storage: Arc<dyn Storage> = match &self.place {
            Place::Memory(storage) => Arc::new(storage.clone()),
            Place::Sqlite(folder) => Arc::new(open_sqlite(&folder.database(), &self.clock).await),
            Place::File(file) => Arc::new(open_sqlite(file, &self.clock).await),
            Place::Postgres(schema) => Arc::new(schema.open(&self.clock).await),
            Place::MySql(database) => Arc::new(database.open(&self.clock).await),
        };
        let storage = self.floor.before(storage);
        let faulty = FaultyStorage::new(storage, Faults::new(1), self.clock.clone());
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

    /// Starts a cluster on the database as the one before has left it.
    pub(crate) async fn start(
        &self,
        configure: impl FnOnce(ClusterBuilder) -> ClusterBuilder,
    ) -> Cluster {
        let builder = Cluster::builder().storage(self.open().await).clock(self.clock.clone());
        configure(builder).start().await.expect("the cluster starts")
    }

    /// The same with three attempts and back-offs for which a test in real time can wait.
    pub(crate) async fn start_impatient(
        &self,
        configure: impl FnOnce(ClusterBuilder) -> ClusterBuilder,
    ) -> Cluster {
        let impatient = |builder: ClusterBuilder| {
            builder.config(|config| {
                config.attempts = 3;
                config.backoff_min = Duration::from_millis(1);
                config.backoff_max = Duration::from_millis(20);
            })
        };
        self.start(|builder| configure(impatient(builder))).await
    }

    /// Starts a cluster beside one that runs, which is then fenced off; not on a file.
    pub(crate) async fn start_beside(
        &self,
        configure: impl FnOnce(ClusterBuilder) -> ClusterBuilder,
    ) -> Cluster {
        let storage: Arc<dyn Storage> = match &self.place {
            Place::Memory(storage) => Arc::new(storage.clone()),
            Place::Postgres(schema) => Arc::new(schema.open(&self.clock).await),
            Place::MySql(database) => Arc::new(database.open(&self.clock).await),
            Place::Sqlite(_) | Place::File(_) => panic!("the file is locked"),
        };
        let builder = Cluster::builder().storage(storage).clock(self.clock.clone());
        configure(builder).start().await.expect("the cluster starts")
    }

    /// Moves virtual time on, from timer to timer; what each timer wakes has come to rest before
    /// the next.
    pub(crate) async fn advance(&self, by: Duration) {
        let time = self.time();
        let end = time.now() + by;
        self.settle().await;
        while let Some(next) = time.next_timer().filter(|next| *next <= end) {
            time.advance(next - time.now());
            self.settle().await;
        }
        time.advance(end - time.now());
        self.settle().await;
    }

    /// Moves virtual time on until the work has ended; says how long that took. Work on a storage
    /// with threads of its own must not wait for them here.
    pub(crate) async fn advance_until<F: Future>(&self, work: F) -> (F::Output, Duration) {
        let time = self.time();
        let began = time.now();
        let mut work = pin!(work);
        loop {
            for _ in 0..100 {
                if let Poll::Ready(output) = poll_once(&mut work).await {
                    return (output, time.now() - began);
                }
                tokio::task::yield_now().await;
            }
            let next = time.next_timer().expect("something waits for time");
            time.advance(next - time.now());
        }
    }

    /// Lets everything run that can, the database included, without moving time. What waits at the
    /// door or for a fault's end counts as resting.
    pub(crate) async fn settle(&self) {
        let mut before = u64::MAX;
        loop {
            self.floor.at_rest().await;
            settle().await;
            let calls = self.floor.all_calls();
            if calls == before && self.floor.is_at_rest() {
                return;
            }
            before = calls;
        }
    }
}
