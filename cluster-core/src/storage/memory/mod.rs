//! The reference storage, in memory.

mod alive;
mod chunks;
mod entity;
mod inbox;
mod journal;
mod ownership;
mod places;
mod requests;
mod store;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use self::store::Store;
use super::alive::AliveScan;
use super::batch::{Batch, Committed};
use super::chunks::{ChunkRow, ChunkScan};
use super::entity::{EntityRequest, EntityScan, EntityStorage, ReminderKey, ReminderRow};
use super::inbox::{InboxNumber, InboxRow, Wished};
use super::journal::{DeferredId, DeferredRow, History, JournalStorage};
use super::limits::RowLimits;
use super::ownership::{Fence, JoinRequest, Joined, RunnerRow, TakenShard};
use super::rows::{
    ContractRow, DeadLetterRow, DueScan, FoundRequest, HeldRow, PendingRequest, PendingScan,
    RetireScan, Retired, ShapeRow, StateKey, StateRow,
};
use super::traits::{ContractStorage, MessageStorage, OwnershipStorage, Storage};
use super::{BoxFuture, StorageError};
use crate::id::{KeyDigest, RequestId, Seq, ShardId};
use crate::time::{Clock, ClusterTime, Timestamp};

/// The reference storage: everything in memory, with the aborts, conflicts and fences of SQL.
///
/// Clones share one store, so that a restart in a test is a second join on a clone: as on an
/// embedded database, joining fences off every earlier incarnation. What it holds ends with the
/// last clone. Users' transactions are not offered: there is no language to write them in.
#[derive(Clone)]
pub struct MemoryStorage {
    store: Arc<Mutex<Store>>,
    clock: Clock,
    limits: RowLimits,
}

impl MemoryStorage {
    /// An empty store whose cluster time is that of the given clock.
    pub fn new(clock: Clock) -> Self {
        MemoryStorage { store: Arc::default(), clock, limits: RowLimits::default() }
    }

    /// This store with other limits. They hold for this handle and for clones made of it.
    #[must_use]
    pub fn with_limits(mut self, limits: RowLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Runs `work` on the store, when the future is first polled and at once.
    fn run<'a, T: Send + 'a>(
        &'a self,
        work: impl FnOnce(&mut Store) -> Result<T, StorageError> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, StorageError>> {
        Box::pin(async move { work(&mut self.store.lock()) })
    }
}

impl Default for MemoryStorage {
    /// An empty store on the machine's clock.
    fn default() -> Self {
        Self::new(Clock::system())
    }
}

impl fmt::Debug for MemoryStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStorage").finish_non_exhaustive()
    }
}

impl Storage for MemoryStorage {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn row_limits(&self) -> Option<RowLimits> {
        Some(self.limits)
    }

    /// As the fastest of the databases: what is built on this may not rely on less.
    fn writes_in_two(&self) -> bool {
        true
    }
}

impl OwnershipStorage for MemoryStorage {
    fn join(&self, request: JoinRequest) -> BoxFuture<'_, Result<Joined, StorageError>> {
        self.run(move |store| {
            let now = store.cluster_time(&self.clock);
            store.join(&request, now)
        })
    }

    fn renew(
        &self,
        fence: Fence,
        lease: Duration,
    ) -> BoxFuture<'_, Result<ClusterTime, StorageError>> {
        self.run(move |store| {
            let now = store.cluster_time(&self.clock);
            store.renew(fence, now, lease)
        })
    }

    fn runners(&self) -> BoxFuture<'_, Result<Vec<RunnerRow>, StorageError>> {
        self.run(|store| Ok(store.runners()))
    }

    fn take_shards(
        &self,
        fence: Fence,
        shards: Vec<ShardId>,
    ) -> BoxFuture<'_, Result<Vec<TakenShard>, StorageError>> {
        self.run(move |store| store.take_shards(fence, &shards))
    }

    fn highest_seq(&self) -> BoxFuture<'_, Result<Seq, StorageError>> {
        self.run(|store| Ok(store.highest_seq))
    }

    fn raise_fence(&self, fence: Fence) -> BoxFuture<'_, Result<Fence, StorageError>> {
        self.run(move |store| store.raise_fence(fence))
    }

    fn leave(&self, fence: Fence) -> BoxFuture<'_, Result<(), StorageError>> {
        self.run(move |store| {
            store.end(fence.incarnation);
            Ok(())
        })
    }

    fn cluster_time(&self) -> BoxFuture<'_, Result<Timestamp, StorageError>> {
        self.run(|store| Ok(store.cluster_time(&self.clock).now))
    }

    fn set_cluster_time_offset(&self, offset_ms: i64) -> BoxFuture<'_, Result<(), StorageError>> {
        self.run(move |store| {
            store.time_offset_ms = offset_ms;
            Ok(())
        })
    }
}

impl MessageStorage for MemoryStorage {
    fn commit(
        &self,
        fence: Fence,
        batch: Arc<Batch>,
    ) -> BoxFuture<'_, Result<Committed, StorageError>> {
        self.run(move |store| {
            self.limits.check(&batch)?;
            store.commit(fence, &batch)
        })
    }

    fn load_pending(
        &self,
        fence: Fence,
        scan: PendingScan,
    ) -> BoxFuture<'_, Result<Vec<PendingRequest>, StorageError>> {
        self.run(move |store| store.load_pending(fence, &scan))
    }

    fn load_due(
        &self,
        fence: Fence,
        scan: DueScan,
    ) -> BoxFuture<'_, Result<Vec<PendingRequest>, StorageError>> {
        self.run(move |store| store.load_due(fence, scan))
    }

    fn load_kept_alive(
        &self,
        fence: Fence,
        scan: AliveScan,
    ) -> BoxFuture<'_, Result<Vec<StateKey>, StorageError>> {
        self.run(move |store| store.load_kept_alive(fence, &scan))
    }

    fn find_requests(
        &self,
        ids: Vec<RequestId>,
    ) -> BoxFuture<'_, Result<Vec<Option<FoundRequest>>, StorageError>> {
        self.run(move |store| Ok(ids.into_iter().map(|id| store.find_request(id)).collect()))
    }

    fn find_keys(
        &self,
        digests: Vec<KeyDigest>,
    ) -> BoxFuture<'_, Result<Vec<Option<FoundRequest>>, StorageError>> {
        self.run(move |store| Ok(digests.iter().map(|digest| store.find_key(digest)).collect()))
    }

    fn load_states(
        &self,
        keys: Vec<StateKey>,
    ) -> BoxFuture<'_, Result<Vec<Option<StateRow>>, StorageError>> {
        self.run(move |store| Ok(keys.iter().map(|key| store.states.get(key).cloned()).collect()))
    }

    fn dead_letters(
        &self,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<DeadLetterRow>, StorageError>> {
        self.run(move |store| Ok(store.dead_letters(after, limit)))
    }

    fn held(&self, after: Seq, limit: usize) -> BoxFuture<'_, Result<Vec<HeldRow>, StorageError>> {
        self.run(move |store| Ok(store.held(after, limit)))
    }

    fn load_chunks(&self, scan: ChunkScan) -> BoxFuture<'_, Result<Vec<ChunkRow>, StorageError>> {
        self.run(move |store| Ok(store.load_chunks(&scan)))
    }

    fn inbox(
        &self,
        after: InboxNumber,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<InboxRow>, StorageError>> {
        self.run(move |store| Ok(store.inbox(after, limit)))
    }

    fn wish(&self, wishes: Vec<Wished>) -> BoxFuture<'_, Result<(), StorageError>> {
        self.run(move |store| {
            store.wish(wishes);
            Ok(())
        })
    }

    fn retire(
        &self,
        fence: Fence,
        scan: RetireScan,
    ) -> BoxFuture<'_, Result<Retired, StorageError>> {
        self.run(move |store| store.retire(fence, &scan))
    }
}

impl EntityStorage for MemoryStorage {
    fn find_reminders(
        &self,
        keys: Vec<ReminderKey>,
    ) -> BoxFuture<'_, Result<Vec<Option<ReminderRow>>, StorageError>> {
        self.run(move |store| {
            Ok(keys.iter().map(|key| store.reminders.get(key).copied()).collect())
        })
    }

    fn requests_of(
        &self,
        scan: EntityScan,
    ) -> BoxFuture<'_, Result<Vec<EntityRequest>, StorageError>> {
        self.run(move |store| Ok(store.requests_of(&scan)))
    }
}

impl JournalStorage for MemoryStorage {
    fn load_journal(&self, execution: Seq) -> BoxFuture<'_, Result<History, StorageError>> {
        self.run(move |store| Ok(store.load_journal(execution)))
    }

    fn find_deferreds(
        &self,
        deferreds: Vec<DeferredId>,
    ) -> BoxFuture<'_, Result<Vec<Option<DeferredRow>>, StorageError>> {
        self.run(move |store| {
            Ok(deferreds.iter().map(|deferred| store.deferreds.get(deferred).cloned()).collect())
        })
    }
}

impl ContractStorage for MemoryStorage {
    fn store_shapes(&self, shapes: Vec<ShapeRow>) -> BoxFuture<'_, Result<(), StorageError>> {
        self.run(move |store| {
            shapes.iter().try_for_each(|shape| self.limits.check_shape(shape))?;
            store.store_shapes(&shapes)
        })
    }

    fn load_shape(
        &self,
        fingerprint: u64,
    ) -> BoxFuture<'_, Result<Option<ShapeRow>, StorageError>> {
        self.run(move |store| {
            let shape = store.shapes.get(&fingerprint).cloned();
            Ok(shape.map(|shape| ShapeRow { fingerprint, shape }))
        })
    }

    fn store_contracts(
        &self,
        contracts: Vec<ContractRow>,
    ) -> BoxFuture<'_, Result<(), StorageError>> {
        self.run(move |store| {
            for row in contracts {
                store.contracts.insert((row.entity_type.clone(), row.name.clone()), row);
            }
            Ok(())
        })
    }

    fn load_contracts(&self) -> BoxFuture<'_, Result<Vec<ContractRow>, StorageError>> {
        self.run(|store| Ok(store.contracts.values().cloned().collect()))
    }
}
