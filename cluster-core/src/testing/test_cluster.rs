//! A cluster in the test's own process, on a clock that the test moves.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::cluster::{Cluster, ClusterBuilder, IntoStorage};
use crate::entity::{DefaultEntity, Serves, error_text};
use crate::id::EntityId;
use crate::storage::{Faults, FaultyStorage, MemoryStorage, Storage};
use crate::time::{Clock, Timestamp, VirtualClock};

/// When a test's clock begins: 2026-01-01T00:00:00Z.
const START: Timestamp = Timestamp::from_unix_ms(1_767_225_600_000);
/// How often the test gives way to the cluster's tasks before it takes them to be waiting.
const ROUNDS: usize = 200;

/// Builds a [`TestCluster`]: storage in memory, a virtual clock, seeded ids, no settings from the
/// environment, and faults if asked for.
#[must_use = "nothing runs until it is started"]
pub struct TestClusterBuilder {
    seed: u64,
    faults: Option<Faults>,
    storage: Option<Arc<dyn Storage>>,
    clock: Arc<VirtualClock>,
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

    /// Faults of the storage, drawn from the seed; see [`Faults`].
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = Some(faults);
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
        let faults = self.faults.unwrap_or_else(|| Faults::new(self.seed));
        let storage = FaultyStorage::new(inner, faults, clock);
        let setup = Setup {
            seed: self.seed,
            clock: self.clock,
            storage,
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
        let builder = self.configure.iter().fold(builder, |builder, step| step(builder));
        match builder.start().await {
            Ok(cluster) => TestCluster { cluster, setup: self },
            Err(error) => panic!("the test's cluster does not start: {}", error_text(&error)),
        }
    }
}

/// A cluster in the test's own process: derefs to [`Cluster`]. Its time stands still until
/// [`TestCluster::advance`] moves it, so that a month passes in milliseconds; its storage outlives
/// a [`TestCluster::crash`].
pub struct TestCluster {
    cluster: Cluster,
    setup: Setup,
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

    /// Lets the cluster's tasks run until they wait for time or for a caller.
    pub async fn settle(&self) {
        for _ in 0..ROUNDS {
            tokio::task::yield_now().await;
        }
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.setup.storage.heal();
    }

    /// Ends the cluster where it stands, as a killed process does, and starts another on the same
    /// storage.
    ///
    /// # Panics
    /// When the new one does not start.
    pub async fn crash(self) -> TestCluster {
        let TestCluster { cluster, setup } = self;
        drop(cluster);
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
