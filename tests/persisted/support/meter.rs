//! A meter before the storage: counts its calls, and knows when none is under way.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};

use cluster::id::{KeyDigest, RequestId, Seq, ShardId};
use cluster::storage::{
    Batch, BoxFuture, ChunkRow, ChunkScan, Committed, ContractRow, ContractStorage, DeadLetterRow,
    Fence, FoundRequest, JoinRequest, Joined, MessageStorage, OwnershipStorage, PendingRequest,
    PendingScan, RetireScan, Retired, ShapeRow, StateKey, StateRow, Storage, StorageError,
    TakenShard, TransactionStorage,
};
use cluster::time::Timestamp;
use tokio::sync::Notify;

/// Clones are the same meter, over all restarts.
#[derive(Clone, Default)]
pub(crate) struct Meter(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    under_way: usize,
    calls: BTreeMap<&'static str, u64>,
}

/// A call that is under way, also when its future is dropped.
struct UnderWay(Meter);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.state.lock().unwrap().under_way -= 1;
        self.0.0.changed.notify_waiters();
    }
}

impl Meter {
    /// The storage behind this meter.
    pub(crate) fn before(&self, storage: Arc<dyn Storage>) -> Arc<dyn Storage> {
        Arc::new(Metered { storage, meter: self.clone() })
    }

    /// How many calls of this name there were.
    pub(crate) fn calls(&self, call: &str) -> u64 {
        self.0.state.lock().unwrap().calls.get(call).copied().unwrap_or_default()
    }

    /// How many calls there were.
    pub(crate) fn all_calls(&self) -> u64 {
        self.0.state.lock().unwrap().calls.values().sum()
    }

    /// The calls so far, by name.
    pub(crate) fn calls_by_name(&self) -> BTreeMap<&'static str, u64> {
        self.0.state.lock().unwrap().calls.clone()
    }

    /// Whether no call is under way.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.0.state.lock().unwrap().under_way == 0
    }

    /// Waits until no call is under way.
    pub(crate) async fn at_rest(&self) {
        loop {
            let mut changed = pin!(self.0.changed.notified());
            changed.as_mut().enable();
            if self.is_at_rest() {
                return;
            }
            changed.await;
        }
    }

    fn begin(&self, call: &'static str) -> UnderWay {
        let mut state = self.0.state.lock().unwrap();
        state.under_way += 1;
        *state.calls.entry(call).or_default() += 1;
        UnderWay(self.clone())
    }
}

struct Metered {
    storage: Arc<dyn Storage>,
    meter: Meter,
}

/// Counts a call by its own name, then passes it on.
macro_rules! metered {
    ($self:ident, $call:ident ( $($argument:expr),* )) => {
        Box::pin(async move {
            let _under_way = $self.meter.begin(stringify!($call));
            $self.storage.$call($($argument),*).await
        })
    };
}

impl Storage for Metered {
    fn kind(&self) -> &'static str {
        self.storage.kind()
    }

    fn transactions(&self) -> Option<&dyn TransactionStorage> {
        self.storage.transactions()
    }
}

impl OwnershipStorage for Metered {
    fn join(&self, request: JoinRequest) -> BoxFuture<'_, Result<Joined, StorageError>> {
        metered!(self, join(request))
    }

    fn take_shards(
        &self,
        fence: Fence,
        shards: Vec<ShardId>,
    ) -> BoxFuture<'_, Result<Vec<TakenShard>, StorageError>> {
        metered!(self, take_shards(fence, shards))
    }

    fn highest_seq(&self) -> BoxFuture<'_, Result<Seq, StorageError>> {
        metered!(self, highest_seq())
    }

    fn raise_fence(&self, fence: Fence) -> BoxFuture<'_, Result<Fence, StorageError>> {
        metered!(self, raise_fence(fence))
    }

    fn leave(&self, fence: Fence) -> BoxFuture<'_, Result<(), StorageError>> {
        metered!(self, leave(fence))
    }

    fn cluster_time(&self) -> BoxFuture<'_, Result<Timestamp, StorageError>> {
        metered!(self, cluster_time())
    }

    fn set_cluster_time_offset(&self, offset_ms: i64) -> BoxFuture<'_, Result<(), StorageError>> {
        metered!(self, set_cluster_time_offset(offset_ms))
    }
}

impl MessageStorage for Metered {
    fn commit(
        &self,
        fence: Fence,
        batch: Arc<Batch>,
    ) -> BoxFuture<'_, Result<Committed, StorageError>> {
        metered!(self, commit(fence, batch))
    }

    fn load_pending(
        &self,
        fence: Fence,
        scan: PendingScan,
    ) -> BoxFuture<'_, Result<Vec<PendingRequest>, StorageError>> {
        metered!(self, load_pending(fence, scan))
    }

    fn find_requests(
        &self,
        ids: Vec<RequestId>,
    ) -> BoxFuture<'_, Result<Vec<Option<FoundRequest>>, StorageError>> {
        metered!(self, find_requests(ids))
    }

    fn find_keys(
        &self,
        digests: Vec<KeyDigest>,
    ) -> BoxFuture<'_, Result<Vec<Option<FoundRequest>>, StorageError>> {
        metered!(self, find_keys(digests))
    }

    fn load_states(
        &self,
        keys: Vec<StateKey>,
    ) -> BoxFuture<'_, Result<Vec<Option<StateRow>>, StorageError>> {
        metered!(self, load_states(keys))
    }

    fn dead_letters(
        &self,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<DeadLetterRow>, StorageError>> {
        metered!(self, dead_letters(after, limit))
    }

    fn load_chunks(&self, scan: ChunkScan) -> BoxFuture<'_, Result<Vec<ChunkRow>, StorageError>> {
        metered!(self, load_chunks(scan))
    }

    fn retire(
        &self,
        fence: Fence,
        scan: RetireScan,
    ) -> BoxFuture<'_, Result<Retired, StorageError>> {
        metered!(self, retire(fence, scan))
    }
}

impl ContractStorage for Metered {
    fn store_shapes(&self, shapes: Vec<ShapeRow>) -> BoxFuture<'_, Result<(), StorageError>> {
        metered!(self, store_shapes(shapes))
    }

    fn load_shape(
        &self,
        fingerprint: u64,
    ) -> BoxFuture<'_, Result<Option<ShapeRow>, StorageError>> {
        metered!(self, load_shape(fingerprint))
    }

    fn store_contracts(
        &self,
        contracts: Vec<ContractRow>,
    ) -> BoxFuture<'_, Result<(), StorageError>> {
        metered!(self, store_contracts(contracts))
    }

    fn load_contracts(&self) -> BoxFuture<'_, Result<Vec<ContractRow>, StorageError>> {
        metered!(self, load_contracts())
    }
}
