//! From settings to a running cluster.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use parking_lot::RwLock;

use super::error::StartError;
use super::handle::Cluster;
use super::loops;
use super::registration::{Registered, Registration, Traced, check_options};
use crate::commit::Committer;
use crate::config::{BadSetting, Config};
use crate::contract::Shape;
use crate::entity::{
    Alarms, CallInfo, Cancels, Deadlines, DefaultEntity, EntityOptions, Filter, Gate, GivenUp,
    GivenUpHook, HeldSince, Intake, Keeper, Kinds, Lease, OpenStreams, Residents, Runner, Schedule,
    Serves, Shards, States, Tasks, TraceBridge, Waiters, failure_shape, release_held, reminded,
};
use crate::error::{Refused, Source};
use crate::id::{EntityId, Epoch, RequestIds, SHARD_HASH_VERSION, Seq, Snowflakes};
use crate::storage::{
    Fence, JoinRequest, Joined, MemoryStorage, ShapeRow, ShardGroup, Storage, StorageError,
};
use crate::time::Clock;
use crate::workflow::{DefaultWorkflow, Host, WorkflowType};

/// What can be given as a storage: one, or a shared one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a storage",
    label = "not a storage",
    note = "give one that is open, such as `Sqlite::open(\"cluster.db\").await?`, or an `Arc` of it"
)]
pub trait IntoStorage {
    /// Shares it.
    fn into_storage(self) -> Arc<dyn Storage>;
}

// Whoever gives no storage is told what to give, not which storages tests have besides.
#[diagnostic::do_not_recommend]
impl<S: Storage> IntoStorage for S {
    fn into_storage(self) -> Arc<dyn Storage> {
        Arc::new(self)
    }
}

impl<S: Storage> IntoStorage for Arc<S> {
    fn into_storage(self) -> Arc<dyn Storage> {
        self
    }
}

impl IntoStorage for Arc<dyn Storage> {
    fn into_storage(self) -> Arc<dyn Storage> {
        self
    }
}

/// Settings and entity types of a cluster that is not started yet.
#[must_use = "nothing runs until it is started"]
pub struct ClusterBuilder {
    config: Config,
    /// What is wrong with the environment; told at the start.
    env: Result<(), BadSetting>,
    clock: Clock,
    seed: Option<u64>,
    encodes_local_calls: bool,
    storage: Option<Arc<dyn Storage>>,
    types: Vec<Box<dyn Registration>>,
    options: Vec<(std::any::TypeId, &'static str, EntityOptions)>,
    filters: Vec<Filter>,
    serving_filters: Vec<Filter>,
    /// Of any message; known at the start.
    backoff_longest: Duration,
    bridge: Option<Box<dyn TraceBridge>>,
    given_up: Vec<GivenUpHook>,
}

impl ClusterBuilder {
    pub(super) fn new(config: Config) -> Self {
        ClusterBuilder {
            config,
            env: Ok(()),
            clock: Clock::system(),
            seed: None,
            encodes_local_calls: false,
            storage: None,
            types: Vec::new(),
            options: Vec::new(),
            filters: Vec::new(),
            serving_filters: Vec::new(),
            backoff_longest: Duration::ZERO,
            bridge: None,
            given_up: Vec::new(),
        }
    }

    /// Where everything durable is kept. Without one it is kept in memory and lost with the
    /// process.
    pub fn storage(mut self, storage: impl IntoStorage) -> Self {
        self.storage = Some(storage.into_storage());
        self
    }

    /// Changes settings: wins over the environment, and over what was set here before.
    pub fn config(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Reads the settings of the environment variables, as [`Config::set_from`] does: they win over
    /// what was set before, and [`ClusterBuilder::config`] wins over them where it follows. The
    /// builder has read them once when it was made, so this is needed only to let whoever runs the
    /// program have the last word.
    pub fn config_from_env(mut self) -> Self {
        let read = self.config.set_from_env();
        self.env = self.env.and(read);
        self
    }

    /// The clock; for tests that move time themselves.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Makes ids follow from a seed; for tests only, where two clusters never share a database.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Lets arguments, replies and errors of local calls pass through encode and decode, as if
    /// every entity were elsewhere. For tests: what cannot travel fails there, with the type and
    /// the path of the field. [`TestCluster`](crate::testing::TestCluster) does so unless told
    /// otherwise.
    pub fn encode_local_calls(mut self) -> Self {
        self.encodes_local_calls = true;
        self
    }

    /// Hosts entities of this type, each made by `Default`.
    pub fn entity<T: DefaultEntity>(self) -> Self {
        self.entity_with::<T>(|_| T::default())
    }

    /// Hosts entities of this type, made by a factory: it builds what is not stored.
    pub fn entity_with<T: Serves>(
        self,
        factory: impl Fn(&EntityId) -> T + Send + Sync + 'static,
    ) -> Self {
        self.register::<T>(Box::new(move |id| Ok(factory(id))))
    }

    /// Hosts executions of this workflow, each made by `Default`.
    pub fn workflow<W: DefaultWorkflow>(self) -> Self {
        self.workflow_with::<W>(W::default)
    }

    /// Hosts executions of this workflow, made by a factory: it builds the services that the steps
    /// use.
    pub fn workflow_with<W: WorkflowType>(
        self,
        factory: impl Fn() -> W + Send + Sync + 'static,
    ) -> Self {
        self.register::<Host<W>>(Box::new(move |_| Ok(Host(factory()))))
    }

    /// Hosts entities of this type, made by a factory that can fail: it is tried again with
    /// back-off, and requests of that entity wait.
    pub fn try_entity_with<T: Serves, E: StdError + Send + Sync + 'static>(
        self,
        factory: impl Fn(&EntityId) -> Result<T, E> + Send + Sync + 'static,
    ) -> Self {
        self.register::<T>(Box::new(move |id| {
            factory(id).map_err(|error| -> Source { Arc::new(error) })
        }))
    }

    fn register<T: Serves>(mut self, factory: crate::entity::Factory<T>) -> Self {
        let options = EntityOptions::DEFAULT;
        self.types.push(Box::new(Registered::<T> { factory, options }));
        self
    }

    /// Options of a registered type; they win over those in its attribute.
    pub fn options<T: Serves>(mut self, options: EntityOptions) -> Self {
        self.options.push((std::any::TypeId::of::<T>(), std::any::type_name::<T>(), options));
        self
    }

    /// A check that every call passes before anything of it is run or stored. Filters run in the
    /// order in which they were added; the first refusal ends the call with `Refused`.
    pub fn filter(
        mut self,
        filter: impl Fn(&CallInfo<'_>) -> Result<(), Refused> + Send + Sync + 'static,
    ) -> Self {
        self.filters.push(Filter::new(filter));
        self
    }

    /// A check on the side of those who serve: every request passes it before it is accepted, and
    /// one that was stored passes it again right before its handler, also after a restart with
    /// other filters. A refused call ends with `Refused` and nothing of it is run or stored; what
    /// was stored before does not run, and `Refused` is its outcome. A filter that panics there
    /// counts as a failed attempt.
    pub fn serving_filter(
        mut self,
        filter: impl Fn(&CallInfo<'_>) -> Result<(), Refused> + Send + Sync + 'static,
    ) -> Self {
        self.serving_filters.push(Filter::new(filter));
        self
    }

    /// Ties the spans of calls and handlers to distributed traces, such as OpenTelemetry's.
    /// Without one a trace that a caller gives with [`Call::trace`](crate::entity::Call::trace) is
    /// passed on as it is.
    pub fn trace_bridge(mut self, bridge: impl TraceBridge) -> Self {
        self.bridge = Some(Box::new(bridge));
        self
    }

    /// Calls `hook` whenever a request of this process has become a dead letter, after it is stored
    /// as such: to tell people or an alarm. It must be short, for commits wait for it; the letters
    /// themselves are in [`Cluster::dead_letters`]. After a crash between the two it is not called.
    pub fn on_dead_letter(mut self, hook: impl Fn(&GivenUp<'_>) + Send + Sync + 'static) -> Self {
        self.given_up.push(GivenUpHook::new(hook));
        self
    }

    /// Starts: checks settings and types, joins the database, takes the shards, and begins with
    /// what is pending there.
    ///
    /// # Errors
    /// [`Error::Start`]: nothing runs then. It says what is wrong as a [`StartError`].
    ///
    /// [`Error::Start`]: crate::cluster::Error::Start
    pub async fn start(self) -> super::error::Result<Cluster> {
        Ok(self.join().await?)
    }

    async fn join(mut self) -> Result<Cluster, StartError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        std::mem::replace(&mut self.env, Ok(()))?;
        self.config.check()?;
        self.apply_options()?;
        self.check_names()?;
        let groups = self.groups();
        let longest = self.types.iter().map(|of| of.limits(&self.config).backoff_longest).max();
        self.backoff_longest = longest.unwrap_or(self.config.backoff_max);
        let storage =
            self.storage.take().unwrap_or_else(|| Arc::new(MemoryStorage::new(self.clock.clone())));
        self.check_payloads(&*storage)?;
        self.clock = self.clock.to_be_corrected();
        let members: Vec<Member> = std::mem::take(&mut self.types)
            .into_iter()
            .map(Member::trace)
            .collect::<Result<_, _>>()?;
        let asked = self.clock.asks();
        let joined = storage
            .join(JoinRequest {
                shard_count: self.config.shard_count,
                shard_hash_version: SHARD_HASH_VERSION,
                groups: groups.iter().map(|group| (*group).into()).collect(),
                advertised: String::new(),
                lease: self.config.lease,
            })
            .await?;
        self.clock.was_told(asked, joined.now);
        let (fence, lease) = (joined.fence, Lease::renewed_at(asked.moment));
        let started =
            self.start_joined(runtime, storage.clone(), joined, lease, groups, members).await;
        if started.is_err() {
            // What was joined is left; a failure to leave is found by whoever joins next.
            let _ = storage.leave(fence).await;
        }
        started
    }

    async fn start_joined(
        self,
        runtime: tokio::runtime::Handle,
        storage: Arc<dyn Storage>,
        joined: Joined,
        lease: Lease,
        groups: Vec<&'static str>,
        members: Vec<Member>,
    ) -> Result<Cluster, StartError> {
        let shards = self.take_shards(&*storage, joined.fence, &joined.groups).await?;
        let floor = storage.highest_seq().await?;
        let runner = Arc::new(self.runner(runtime, storage, &joined, lease, groups.clone(), floor));
        let told = Arc::downgrade(&runner);
        runner.committer.tell_reminded_to(Box::new(move |what| {
            if let Some(runner) = told.upgrade() {
                reminded(&runner, what);
            }
        }));
        let mut kinds = Kinds::default();
        let (mut shapes, mut contracts) = (vec![failure_shape()], Vec::new());
        for member in members {
            let at = groups.iter().position(|group| *group == member.group);
            let shards = shards[at.expect("the groups were gathered from the types")].clone();
            let kind = member.traced.build(&runner, shards);
            let (of_shapes, of_contracts) = kind.contract_rows();
            shapes.extend(of_shapes);
            contracts.extend(of_contracts);
            kinds.by_name.insert(kind.name().clone(), kind.clone());
            for id in member.ids {
                kinds.by_contract.insert(id, kind.clone());
            }
        }
        store_new_shapes(&*runner.storage, shapes).await?;
        runner.storage.store_contracts(contracts).await?;
        *runner.kinds.write() = kinds;
        release_held(&runner).await?;
        loops::start(&runner);
        Ok(Cluster::of(runner))
    }

    fn runner(
        self,
        runtime: tokio::runtime::Handle,
        storage: Arc<dyn Storage>,
        joined: &Joined,
        lease: Lease,
        groups: Vec<&'static str>,
        floor: Seq,
    ) -> Runner {
        let committer =
            Committer::new(storage.clone(), self.clock.clone(), &self.config, joined, floor);
        let Config { kept_alive_max, resident_entities_max, .. } = self.config;
        let kept_alive_max = kept_alive_max.min(resident_entities_max);
        Runner {
            residents: Residents::new(self.config.resident_entities_max),
            keeper: Keeper::new(kept_alive_max),
            states: States::new(storage.clone(), &self.config),
            storage,
            committer: Arc::new(committer),
            request_ids: self.seed.map_or_else(RequestIds::new, RequestIds::seeded),
            snowflakes: Snowflakes::above(joined.machine, Seq::default()),
            waiters: Waiters::default(),
            intake: Intake::loading(floor),
            tasks: Tasks::new(runtime),
            alarms: Alarms::default(),
            schedule: Schedule::new(self.clock.clone(), &self.config, self.backoff_longest),
            cancels: Cancels::default(),
            held_since: HeldSince::default(),
            deadlines: Deadlines::default(),
            bells: Arc::default(),
            streams: OpenStreams::default(),
            filters: self.filters,
            serving_filters: self.serving_filters,
            bridge: self.bridge,
            given_up: self.given_up,
            kinds: RwLock::default(),
            gate: Gate::open(),
            lease,
            groups,
            backoff_longest: self.backoff_longest,
            up: AtomicBool::new(true),
            encodes_local_calls: self.encodes_local_calls,
            clock: self.clock,
            config: self.config,
        }
    }

    fn apply_options(&mut self) -> Result<(), StartError> {
        for (id, entity_type, options) in std::mem::take(&mut self.options) {
            check_options(&options)?;
            let registered = self.types.iter_mut().find(|registered| registered.type_id() == id);
            registered.ok_or(StartError::NotRegistered { entity_type })?.set_options(options);
        }
        Ok(())
    }

    fn check_names(&self) -> Result<(), StartError> {
        for (at, registered) in self.types.iter().enumerate() {
            let name = registered.name();
            if self.types[..at].iter().any(|earlier| earlier.name() == name) {
                return Err(StartError::DuplicateEntity { name });
            }
        }
        Ok(())
    }

    fn check_payloads(&self, storage: &dyn Storage) -> Result<(), StartError> {
        let payload_bytes_max = self.config.payload_bytes_max;
        match storage.row_limits() {
            Some(limits) if limits.payload_bytes_max < payload_bytes_max => {
                let storage_max = limits.payload_bytes_max;
                Err(StartError::PayloadsTooLarge { payload_bytes_max, storage_max })
            }
            _ => Ok(()),
        }
    }

    /// The shard groups of the types, each once.
    fn groups(&self) -> Vec<&'static str> {
        let mut groups: Vec<_> = self.types.iter().map(|registered| registered.group()).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    async fn take_shards(
        &self,
        storage: &dyn Storage,
        fence: Fence,
        groups: &[ShardGroup],
    ) -> Result<Vec<Shards>, StartError> {
        let count = self.config.shard_count;
        let mut all = Vec::with_capacity(groups.len());
        for &group in groups {
            let wanted = (0..count.get()).map(|number| group.shard(number)).collect();
            let taken = storage.take_shards(fence, wanted).await?;
            let mut epochs = vec![Epoch::default(); count.get() as usize];
            for shard in taken {
                epochs[(shard.shard.as_u32() & 0xffff) as usize] = shard.epoch;
            }
            all.push(Shards { group, count, epochs: epochs.into() });
        }
        Ok(all)
    }
}

/// Stores the shapes that are not stored yet. Of types that differ in their names only, the first
/// gives the names under which people see the shape.
///
/// # Errors
/// `ShapeCollision` when two different shapes have one fingerprint.
async fn store_new_shapes(
    storage: &dyn Storage,
    shapes: Vec<ShapeRow>,
) -> Result<(), StorageError> {
    let mut new: Vec<ShapeRow> = Vec::new();
    for row in shapes {
        let fingerprint = row.fingerprint;
        let known = match new.iter().find(|known| known.fingerprint == fingerprint) {
            Some(known) => Some(known.clone()),
            None => storage.load_shape(fingerprint).await?,
        };
        match known {
            None => new.push(row),
            Some(known) if canonical(&known) == canonical(&row) => {}
            Some(_) => return Err(StorageError::ShapeCollision { fingerprint }),
        }
    }
    storage.store_shapes(new).await
}

fn canonical(row: &ShapeRow) -> Option<Vec<u8>> {
    Shape::from_bytes(&row.shape).ok().map(|shape| shape.canonical_bytes())
}

/// An entity type whose shapes are traced.
struct Member {
    traced: Box<dyn Traced>,
    group: &'static str,
    ids: [std::any::TypeId; 2],
}

impl Member {
    fn trace(registration: Box<dyn Registration>) -> Result<Self, StartError> {
        let group = registration.group();
        let ids = [registration.type_id(), registration.contract_id()];
        Ok(Member { traced: registration.trace()?, group, ids })
    }
}

impl fmt::Debug for ClusterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types: Vec<_> = self.types.iter().map(|registered| registered.name()).collect();
        f.debug_struct("ClusterBuilder").field("types", &types).finish_non_exhaustive()
    }
}
