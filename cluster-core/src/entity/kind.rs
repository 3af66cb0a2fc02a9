//! One registered entity type.

use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;

use super::activate::Evicted;
use super::cancel::{Tell, Whereabouts};
use super::contract::{Contract, ContractOf, Entity, ServedBy, Serves};
use super::directory::Directory;
use super::endpoint::Endpoint;
use super::job::{Delivered, Job};
use super::keep_alive::KeptAlive;
use super::method::Method;
use super::options::{EntityOptions, MessageInfo, StateKind};
use super::schema::MessageSchema;
use super::shared::Shared;
use super::slot::{Slot, Start};
use super::watch::KindMetrics;
use crate::config::{Config, Retry};
use crate::contract::{Schema, TraceError};
use crate::error::{ClusterError, Source};
use crate::id::{Address, EntityId, Epoch, MessageTag, Seq, ShardCount, ShardId};
use crate::storage::{
    BoxFuture, ContractRow, PendingRequest, RequestRow, ShapeRow, ShardGroup, StateKey,
};
use crate::time::Moment;

/// Makes an entity from its id.
pub(crate) type Factory<T> = Box<dyn Fn(&EntityId) -> Result<T, Source> + Send + Sync>;

/// An entity type's options after defaults and registration.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) mailbox: usize,
    pub(crate) idle: Duration,
    pub(crate) concurrency: usize,
    pub(crate) retry: Retry,
    /// The longest back-off of any of the type's messages.
    pub(crate) backoff_longest: Duration,
    pub(crate) strict_order: bool,
}

impl Limits {
    /// Values given at registration win over the type's own, and those over the cluster's.
    pub(crate) fn new(
        config: &Config,
        declared: EntityOptions,
        given: EntityOptions,
        messages: &[&MessageInfo],
    ) -> Self {
        let retry = given.retry().or(declared.retry().or(config.retry()));
        let longest = messages.iter().map(|info| info.retry.or(retry).backoff_max).max();
        Limits {
            mailbox: given.mailbox.or(declared.mailbox).unwrap_or(config.mailbox),
            idle: given.idle.or(declared.idle).unwrap_or(config.idle),
            concurrency: given.concurrency.or(declared.concurrency).unwrap_or(config.concurrency),
            retry,
            backoff_longest: longest.unwrap_or(retry.backoff_max).max(config.backoff_max),
            strict_order: given.strict_order.or(declared.strict_order).unwrap_or(false),
        }
    }
}

/// The shards of an entity type's group.
#[derive(Debug, Clone)]
pub(crate) struct Shards {
    pub(crate) group: ShardGroup,
    pub(crate) count: ShardCount,
    /// The epoch of each shard, by its number within the group.
    pub(crate) epochs: Arc<[Epoch]>,
}

impl Shards {
    fn of(&self, id: &EntityId) -> ShardId {
        self.group.shard(ShardId::of(id, self.count).as_u32())
    }

    pub(crate) fn epoch(&self, shard: ShardId) -> Epoch {
        self.epochs[(shard.as_u32() & 0xffff) as usize]
    }
}

/// A registered entity type with all its slots.
pub(crate) struct Kind<T: Serves> {
    pub(crate) name: Arc<str>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) shards: Shards,
    pub(crate) limits: Limits,
    pub(crate) factory: Factory<T>,
    pub(crate) schemas: Schemas,
    pub(crate) table: Box<[Method<T>]>,
    pub(crate) slots: Directory<T>,
    pub(crate) metrics: KindMetrics,
    by_tag: HashMap<MessageTag, usize>,
}

/// What of an entity type is in memory.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Present {
    pub(crate) resident: usize,
    pub(crate) waiting: usize,
}

/// The traced shapes of an entity type.
#[derive(Debug)]
pub(crate) struct Schemas {
    pub(crate) messages: Vec<MessageSchema>,
    pub(crate) state: Option<Schema>,
    /// What else is stored, by name.
    pub(crate) parts: Vec<(String, Schema)>,
}

impl Schemas {
    /// Traces everything of a type that is ever stored or sent.
    pub(crate) fn trace<T: Serves>() -> Result<Self, TraceError> {
        Ok(Schemas {
            messages: <ContractOf<T> as Contract>::schemas()?,
            state: T::state_schema()?,
            parts: <ContractOf<T> as Contract>::parts()?,
        })
    }
}

impl<T: Serves> Kind<T> {
    pub(crate) fn new(
        shared: Arc<Shared>,
        shards: Shards,
        limits: Limits,
        factory: Factory<T>,
        schemas: Schemas,
    ) -> Self {
        let name: Arc<str> = <ContractOf<T> as Contract>::NAME.into();
        let messages = <ContractOf<T> as Contract>::messages();
        let encodes = shared.encodes_local_calls;
        let table = <T::Contract as ServedBy<T>>::table().iter();
        let table = table.map(|method| if encodes { method.encoded() } else { *method });
        Kind {
            metrics: KindMetrics::new(&name, messages),
            name,
            shared,
            shards,
            limits,
            factory,
            schemas,
            table: table.collect(),
            slots: Directory::default(),
            by_tag: messages.iter().map(|info| (info.tag, info.index)).collect(),
        }
    }

    /// The slot of an id; made if there is none yet.
    pub(crate) fn slot(self: &Arc<Self>, id: &EntityId) -> Arc<Slot<T>> {
        self.slots.get_or_insert(id, || Slot::new(id.clone(), self.clone()))
    }

    pub(crate) fn address(&self, id: &EntityId) -> Address {
        Address::new(self.name.clone(), id.clone(), self.shards.of(id))
    }

    /// Whether something of the entity is stored.
    pub(crate) const fn is_durable() -> bool {
        !matches!(<T as Entity>::STATE, StateKind::None)
    }

    /// The request as it waits in a mailbox; `None` if the type has no such message.
    pub(super) fn load_job(
        &self,
        slot: &Arc<Slot<T>>,
        pending: PendingRequest,
    ) -> Option<Box<dyn Job<T>>> {
        let index = self.by_tag.get(&pending.request.message)?;
        Some((self.table[*index].load)(slot, pending))
    }

    /// A handler starts; the moment if it is to be timed.
    #[inline]
    pub(super) fn started(&self, message: &MessageInfo) -> Option<Moment> {
        self.metrics.started(message, &self.shared.clock)
    }

    /// A handler has returned that was started then.
    #[inline]
    pub(super) fn ended(&self, message: &MessageInfo, started: Option<Moment>) {
        if let Some(started) = started {
            self.metrics.timed(message, self.shared.clock.now() - started);
        }
    }

    /// How requests of this message are tried again.
    pub(crate) fn retry_of(&self, message: &MessageInfo) -> Retry {
        message.retry.or(self.limits.retry)
    }

    pub(crate) fn state_key(&self, id: &EntityId) -> StateKey {
        StateKey {
            shard: self.shards.of(id),
            entity_type: self.name.clone(),
            entity_id: id.clone(),
        }
    }
}

/// An entity type as the runner knows it.
pub(crate) trait AnyKind: Send + Sync {
    fn name(&self) -> &Arc<str>;

    fn address(&self, id: &EntityId) -> Address;

    fn epoch(&self, shard: ShardId) -> Epoch;

    /// The epoch of the shard, if it is one of the type's group.
    fn owned_epoch(&self, shard: ShardId) -> Option<Epoch>;

    /// Whether a request waits for those before it in whatever state they are.
    fn is_strict(&self) -> bool;

    /// Takes a request out of its entity's mailbox, if it is there.
    fn take(self: Arc<Self>, id: &EntityId, request: Seq) -> Whereabouts;

    /// Forgets everything of an entity; see [`Slot::clear`].
    fn clear(self: Arc<Self>, id: &EntityId) -> BoxFuture<'static, Result<(), ClusterError>>;
    /// Starts what waits in the mailboxes of all its entities.
    fn start_waiting(&self);

    /// A request of the entity was ended by who has cancelled it; whom to tell so.
    fn cancelled(self: Arc<Self>, id: &EntityId, request: Seq) -> Option<Tell>;

    /// The slot of an id that has been checked.
    fn endpoint(self: Arc<Self>, id: &EntityId) -> Arc<dyn Endpoint>;

    /// Puts a stored request into its entity's mailbox.
    fn deliver(self: Arc<Self>, pending: PendingRequest) -> Delivered;

    /// Puts a request that is due into its entity's mailbox; false when the type has no such
    /// message.
    fn start_due(self: Arc<Self>, pending: PendingRequest) -> bool;

    /// Lets an entity whose requests are in the storage wait for a place in memory; false when it
    /// need not wait any more.
    fn wait_for_place(&self, id: &EntityId) -> bool;

    /// Brings back an entity that is stored as kept alive.
    fn bring_back(self: Arc<Self>, id: &EntityId, place: KeptAlive);

    /// Takes entities out of memory that were idle for long enough, and tells the metrics what is
    /// there.
    fn sweep(&self, now: Moment);

    fn metrics(&self) -> &KindMetrics;

    /// How many entities are in memory, and how many requests wait in their mailboxes.
    fn present(&self) -> Present;

    /// Takes all idle entities out of memory.
    fn passivate_all(&self);

    /// Whether a handler of some entity runs.
    fn is_running(&self) -> bool;

    /// Takes one idle entity out of memory.
    fn evict_one(&self) -> Evicted;

    fn schema(&self, method: usize) -> Option<&MessageSchema>;

    /// The schema of the message of this tag.
    fn schema_of(&self, tag: MessageTag) -> Option<&MessageSchema>;

    /// Whether the type has the message of a stored request and can read its arguments.
    fn reads(&self, request: &RequestRow) -> bool;

    /// The schema of its state; `None` where none is stored.
    fn state_schema(&self) -> Option<&Schema>;

    /// What the storage should know of the type.
    fn contract_rows(&self) -> (Vec<ShapeRow>, Vec<ContractRow>);

    /// The shortest time after which an entity may be idle.
    fn idle(&self) -> Duration;

    fn count(&self) -> usize;

    fn forget(&self);
}

impl<T: Serves> AnyKind for Kind<T> {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn address(&self, id: &EntityId) -> Address {
        Kind::address(self, id)
    }

    fn epoch(&self, shard: ShardId) -> Epoch {
        self.shards.epoch(shard)
    }

    fn owned_epoch(&self, shard: ShardId) -> Option<Epoch> {
        let number = shard.as_u32() & 0xffff;
        (self.shards.group.shard(number) == shard).then(|| self.epoch(shard))
    }

    fn is_strict(&self) -> bool {
        self.limits.strict_order
    }

    fn take(self: Arc<Self>, id: &EntityId, request: Seq) -> Whereabouts {
        self.slots.get(id).map_or(Whereabouts::Stored, |slot| slot.take(request))
    }

    fn clear(self: Arc<Self>, id: &EntityId) -> BoxFuture<'static, Result<(), ClusterError>> {
        Box::pin(self.slot(id).clear())
    }

    fn start_waiting(&self) {
        self.slots.sweep(|_| true, |slot| slot.start_waiting(Start::Task));
    }

    fn cancelled(self: Arc<Self>, id: &EntityId, request: Seq) -> Option<Tell> {
        self.slots.get(id)?.cancelled(request)
    }

    fn endpoint(self: Arc<Self>, id: &EntityId) -> Arc<dyn Endpoint> {
        self.slot(id)
    }

    fn deliver(self: Arc<Self>, pending: PendingRequest) -> Delivered {
        let slot = self.slot(&pending.request.entity_id);
        let (seq, id, due_at) = (pending.request.seq, pending.request.id, pending.due_at);
        let delivered = match (self.load_job(&slot, pending), due_at) {
            (None, _) => slot.pass_unknown(seq),
            (Some(job), Some(at)) => slot.deliver_later(seq, job, at),
            (Some(job), None) => slot.deliver(seq, || job),
        };
        slot.nest(seq, id);
        delivered
    }

    fn start_due(self: Arc<Self>, pending: PendingRequest) -> bool {
        let slot = self.slot(&pending.request.entity_id);
        let (seq, id, again) = (pending.request.seq, pending.request.id, pending.attempts > 0);
        let Some(job) = self.load_job(&slot, pending) else { return false };
        slot.join_queue(seq, job, again);
        slot.nest(seq, id);
        true
    }

    fn wait_for_place(&self, id: &EntityId) -> bool {
        self.slots.get(id).is_some_and(|slot| slot.wait_in_storage())
    }

    fn bring_back(self: Arc<Self>, id: &EntityId, place: KeptAlive) {
        self.slot(id).bring_back(place);
    }

    fn sweep(&self, now: Moment) {
        let idle = self.limits.idle;
        self.slots.sweep(|slot| slot.is_due(now, idle), |slot| slot.passivate(now, idle));
        let Present { resident, waiting } = self.present();
        self.metrics.resident.set(resident as f64);
        self.metrics.waiting.set(waiting as f64);
        self.metrics.publish();
    }

    fn metrics(&self) -> &KindMetrics {
        &self.metrics
    }

    fn present(&self) -> Present {
        let mut present = Present::default();
        self.slots.for_each(|slot| slot.count_into(&mut present));
        present
    }

    fn passivate_all(&self) {
        self.slots.sweep(|_| true, |slot| _ = slot.leave());
    }

    fn is_running(&self) -> bool {
        self.slots.any(|slot| slot.is_running())
    }

    fn evict_one(&self) -> Evicted {
        self.slots.evict_one()
    }

    fn schema(&self, method: usize) -> Option<&MessageSchema> {
        self.schemas.messages.get(method)
    }

    fn schema_of(&self, tag: MessageTag) -> Option<&MessageSchema> {
        self.by_tag.get(&tag).and_then(|index| self.schema(*index))
    }

    fn reads(&self, request: &RequestRow) -> bool {
        let reads = |index: &usize| (self.table[*index].reads)(self, &request.arguments);
        self.by_tag.get(&request.message).is_some_and(reads)
    }

    fn state_schema(&self) -> Option<&Schema> {
        self.schemas.state.as_ref()
    }

    fn contract_rows(&self) -> (Vec<ShapeRow>, Vec<ContractRow>) {
        let mut shapes = Vec::new();
        let mut shape = |schema: &Schema| {
            let fingerprint = schema.fingerprint().as_u64();
            shapes.push(ShapeRow { fingerprint, shape: schema.shape().to_bytes().into() });
            fingerprint
        };
        let entity_type = &self.name;
        let messages = <ContractOf<T> as Contract>::messages();
        let mut contracts: Vec<ContractRow> = messages
            .iter()
            .zip(&self.schemas.messages)
            .map(|(info, schema)| ContractRow {
                entity_type: entity_type.clone(),
                tag: info.tag,
                name: info.name.into(),
                arguments: shape(&schema.arguments),
                reply: shape(&schema.ok),
                error: shape(&schema.err),
            })
            .collect();
        contracts.extend(self.schemas.state.as_ref().map(|state| ContractRow {
            entity_type: entity_type.clone(),
            tag: MessageTag::of(""),
            name: "".into(),
            arguments: shape(state),
            reply: 0,
            error: 0,
        }));
        contracts.extend(self.schemas.parts.iter().map(|(name, schema)| ContractRow {
            entity_type: entity_type.clone(),
            tag: MessageTag::of(name),
            name: name.as_str().into(),
            arguments: 0,
            reply: shape(schema),
            error: 0,
        }));
        (shapes, contracts)
    }

    fn idle(&self) -> Duration {
        self.limits.idle
    }

    fn count(&self) -> usize {
        self.slots.len()
    }

    fn forget(&self) {
        self.slots.clear();
    }
}
