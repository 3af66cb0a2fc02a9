//! A cluster in the test's own process, on a clock that the test moves.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinHandle;

use crate::cluster::{Cluster, ClusterBuilder, IntoStorage};
use crate::entity::{DefaultEntity, Serves};
use crate::error::text;
use crate::id::EntityId;
use crate::storage::{Faults, FaultyStorage, MemoryStorage, Storage};
use crate::time::{Clock, Timestamp, VirtualClock};

/// When a test's clock begins: 2026-01-01T00:00:00Z.
const START: Timestamp = Timestamp::from_unix_ms(1_767_225_600_000);
/// How often it is looked whether the storage has been asked for more; far beyond any test that
/// does not ask all the time.
const SETTLES_MAX: usize = 1_000;
/// How often the test gives way before it takes the cluster's tasks to be waiting. On one thread
/// those that are woken run before whoever gives way is polled again.
const ROUNDS: usize = 20;
/// The same where others run on threads of their own.
const ROUNDS_AMONG_THREADS: usize = 200;

/// Builds a [`TestCluster`]: storage in memory, a virtual clock, seeded ids, no settings from the
/// environment, and faults if asked for.
#[must_use = "nothing runs until it is started"]
pub struct TestClusterBuilder {
    seed: u64,
    faults: Option<Faults>,
    storage: Option<Arc<dyn Storage>>,
    clock: Arc<VirtualClock>,
    encodes: bool,
    /// Everything that a start needs, to be done again after a crash.
    configure: Vec<Configure>,
}

type Configure = Box<dyn Fn(ClusterBuilder) -> ClusterBuilder + Send + Sync>;

impl TestClusterBuilder {
    /// Ids and faults follow from this seed. Zero unless given.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Faults of the storage once it has started, drawn from the seed: one kind or several, as in
    /// `Fault::unknown_commit(0.05) | Fault::slow(0.1, delay_max)`.
    ///
    /// Until [`TestCluster::heal`] time passes by itself then, from timer to timer, whenever
    /// nothing else can run: who waits for a slow storage, or tries again, waits for the clock.
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = Some(faults);
        self
    }

    /// Local calls hand arguments, replies and errors over as they are, as in production. Unless
    /// this is said they pass through encode and decode, so that what cannot travel fails in the
    /// first test.
    pub fn direct_calls(mut self) -> Self {
        self.encodes = false;
        self
    }

    /// Another storage than memory.
    pub fn storage(mut self, storage: impl IntoStorage) -> Self {
        self.storage = Some(storage.into_storage());
        self
    }

    /// Hosts entities of this type, each made by `Default`.
    pub fn entity<T: DefaultEntity>(self) -> Self {
        self.with(|builder| builder.entity::<T>())
    }

    /// Hosts entities of this type, made by a factory.
    pub fn entity_with<T: Serves>(
        self,
        factory: impl Fn(&EntityId) -> T + Send + Sync + 'static,
    ) -> Self {
        let factory = Arc::new(factory);
        self.with(move |builder| {
            let factory = factory.clone();
            builder.entity_with::<T>(move |id| factory(id))
        })
    }

    /// Whatever else the cluster's builder can do; done again at every [`TestCluster::crash`].
    pub fn with(
        mut self,
        configure: impl Fn(ClusterBuilder) -> ClusterBuilder + Send + Sync + 'static,
    ) -> Self {
        self.configure.push(Box::new(configure));
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// When it does not start: the test is wrong, and the panic says what about it.
    pub async fn start(self) -> TestCluster {
        let clock = Clock::from_virtual(self.clock.clone());
        let inner = self.storage.unwrap_or_else(|| Arc::new(MemoryStorage::new(clock.clone())));
        let time_passes = self.faults.is_some();
        let faults = self.faults.unwrap_or_else(|| Faults::new(self.seed)).or_seed(self.seed);
        let storage = FaultyStorage::new(inner, faults, clock);
        let setup = Setup {
            seed: self.seed,
            clock: self.clock,
            storage,
            time_passes,
            encodes: self.encodes,
            configure: self.configure,
            starts: 0,
        };
        setup.start().await
    }
}

impl fmt::Debug for TestClusterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClusterBuilder").field("seed", &self.seed).finish_non_exhaustive()
    }
}

struct Setup {
    seed: u64,
    clock: Arc<VirtualClock>,
    storage: FaultyStorage,
    /// While faults are on, time passes by itself.
    time_passes: bool,
    encodes: bool,
    configure: Vec<Configure>,
    /// Starts so far: each makes other ids from the seed.
    starts: u64,
}

impl Setup {
    async fn start(mut self) -> TestCluster {
        let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(self.starts);
        self.starts += 1;
        let builder = Cluster::builder_without_env()
            .storage(self.storage.clone())
            .clock(Clock::from_virtual(self.clock.clone()))
            .seed(seed);
        let builder = if self.encodes { builder.encode_local_calls() } else { builder };
        let builder = self.configure.iter().fold(builder, |builder, step| step(builder));
        self.storage.hold_faults();
        let started = builder.start().await;
        self.storage.let_faults();
        let (clock, storage) = (self.clock.clone(), self.storage.clone());
        let passing = Passing(match self.time_passes && !self.storage.is_healed() {
            true => tokio::spawn(pass_time(clock, storage)),
            false => {
                let failed = storage.failed();
                tokio::spawn(pass_pauses(clock, storage, failed))
            }
        });
        match started {
            Ok(cluster) => TestCluster { cluster, setup: self, _passing: passing },
            Err(error) => panic!("the test's cluster does not start: {}", text(&error)),
        }
    }
}

/// Longer than any pause before the storage is tried again.
const HEALING: Duration = Duration::from_secs(2);

/// Time that passes by itself, until dropped.
struct Passing(JoinHandle<()>);

impl Drop for Passing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Moves time from one timer to the next whenever nothing else can run, until the storage is
/// healed.
async fn pass_time(clock: Arc<VirtualClock>, storage: FaultyStorage) {
    loop {
        settle(&storage).await;
        if storage.is_healed() {
            return;
        }
        if let Some(next) = clock.next_timer() {
            clock.advance(next - clock.now());
        }
    }
}

/// Moves time on after each write that a script has failed, for those who try again. So many had
/// failed before. Never ends.
async fn pass_pauses(clock: Arc<VirtualClock>, storage: FaultyStorage, mut failed: u64) {
    loop {
        storage.failed_more(failed).await;
        failed = storage.failed();
        let end = clock.now() + HEALING;
        settle(&storage).await;
        // One more failure begins a pause of its own.
        while storage.failed() == failed && clock.now() < end {
            let next = clock.next_timer().map_or(end, |next| next.min(end));
            clock.advance(next - clock.now());
            settle(&storage).await;
        }
    }
}

/// Lets everything run that can, the storage included.
async fn settle(storage: &FaultyStorage) {
    let rounds = match Handle::current().runtime_flavor() {
        RuntimeFlavor::CurrentThread => ROUNDS,
        _ => ROUNDS_AMONG_THREADS,
    };
    for _ in 0..SETTLES_MAX {
        let before = storage.counts().calls;
        storage.at_rest().await;
        for _ in 0..rounds {
            tokio::task::yield_now().await;
        }
        if storage.is_at_rest() && storage.counts().calls == before {
            return;
        }
    }
}

/// A cluster in the test's own process: derefs to [`Cluster`]. Its time stands still until
/// [`TestCluster::advance`] moves it, so that a month passes in milliseconds; its storage outlives
/// a [`TestCluster::crash`].
///
/// When a script has failed a write ([`FaultyStorage::fail_next`]) two seconds pass by themselves,
/// so that whoever tries it again can. Who waits for a storage that hangs or is disconnected waits
/// until the test advances the time or heals the storage.
pub struct TestCluster {
    cluster: Cluster,
    setup: Setup,
    _passing: Passing,
}

impl TestCluster {
    /// A builder with the defaults.
    #[expect(clippy::new_ret_no_self, reason = "what is new is configured first, then started")]
    pub fn new() -> TestClusterBuilder {
        TestClusterBuilder {
            seed: 0,
            faults: None,
            storage: None,
            clock: VirtualClock::starting_at(START),
            encodes: true,
            configure: Vec::new(),
        }
    }

    /// The clock that the cluster reads.
    pub fn clock(&self) -> &Arc<VirtualClock> {
        &self.setup.clock
    }

    /// The storage with its faults: script some, read the counts.
    pub fn storage(&self) -> &FaultyStorage {
        &self.setup.storage
    }

    /// Moves time on, from one timer to the next, and lets the cluster do at each moment what is
    /// due then.
    pub async fn advance(&self, by: Duration) {
        let clock = &self.setup.clock;
        let end = clock.now() + by;
        self.settle().await;
        while let Some(next) = clock.next_timer().filter(|next| *next <= end) {
            clock.advance(next - clock.now());
            self.settle().await;
        }
        clock.advance(end - clock.now());
        self.settle().await;
    }

    /// Lets the cluster's tasks and its storage run until they wait for time or for a caller. What
    /// a fault holds up is not waited for; a storage of your own that never answers is.
    pub async fn settle(&self) {
        settle(&self.setup.storage).await;
    }

    /// Ends all faults, and lets the cluster go on with what they have held up: two seconds pass,
    /// so that whoever waits to try the storage again has done so. From then on time moves only
    /// when the test moves it.
    pub async fn heal(&self) {
        self.setup.storage.heal();
        self.advance(HEALING).await;
    }

    /// Ends the cluster where it stands, as a killed process does, and starts another on the same
    /// storage.
    ///
    /// # Panics
    /// When the new one does not start.
    pub async fn crash(self) -> TestCluster {
        let TestCluster { cluster, setup, _passing } = self;
        drop((cluster, _passing));
        setup.start().await
    }
}

impl Deref for TestCluster {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

impl fmt::Debug for TestCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestCluster").field("seed", &self.setup.seed).finish_non_exhaustive()
    }
}
