//! A storage that counts what is asked of it, and a process that dies at one of its commits.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cluster::id::{KeyDigest, RequestId, Seq, ShardId};
use cluster::storage::{
    AliveScan, Batch, BoxFuture, ChunkRow, ChunkScan, Committed, ContractRow, ContractStorage,
    DeadLetterRow, DeferredId, DeferredRow, DueScan, EntityRequest, EntityScan, EntityStorage,
    Fence, FoundRequest, HeldRow, History, InboxNumber, InboxRow, JoinRequest, Joined,
    JournalStorage, MessageStorage, OwnershipStorage, PendingRequest, PendingScan, ReminderKey,
    ReminderRow, RetireScan, Retired, RunnerRow, ShapeRow, StateKey, StateRow, Storage,
    StorageError, TakenShard, Wished,
};
use cluster::time::{ClusterTime, Timestamp};
use tokio::sync::Notify;

/// Which side of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Before,
    After,
}

/// Counts calls, and lets the process die. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Watch(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    calls: BTreeMap<&'static str, u64>,
    under_way: usize,
    commits: u64,
    dies: Option<(u64, Side)>,
    /// The process is dead: nothing that it asks is answered, until it is forgotten.
    dead: bool,
    /// How many have died and were forgotten.
    forgotten: u32,
}

/// A call under way.
struct UnderWay(Watch);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.state.lock().unwrap().under_way -= 1;
        self.0.0.changed.notify_waiters();
    }
}

impl Watch {
    pub(crate) fn before(&self, storage: Arc<dyn Storage>) -> Arc<dyn Storage> {
        Arc::new(Watched { storage, watch: self.clone() })
    }

    /// Lets the process die at this commit, counted from one over all processes.
    pub(crate) fn die_at(&self, commit: u64, side: Side) {
        self.0.state.lock().unwrap().dies = Some((commit, side));
    }

    /// Lets no other process die.
    pub(crate) fn spare(&self) {
        self.0.state.lock().unwrap().dies = None;
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.0.state.lock().unwrap().dead
    }

    /// The next process lives.
    pub(crate) fn revive(&self) {
        let mut state = self.0.state.lock().unwrap();
        if state.dead {
            state.forgotten += 1;
            (state.dead, state.dies) = (false, None);
        }
        drop(state);
        self.0.changed.notify_waiters();
    }

    /// Waits until the dead process is forgotten: it lets go of its database then.
    async fn forgotten(&self, before: u32) -> StorageError {
        loop {
            let mut changed = pin!(self.0.changed.notified());
            changed.as_mut().enable();
            if self.0.state.lock().unwrap().forgotten > before {
                return StorageError::Fenced { incarnation: 0 };
            }
            changed.await;
        }
    }

    /// How often a method was called.
    pub(crate) fn calls(&self, method: &str) -> u64 {
        self.0.state.lock().unwrap().calls.get(method).copied().unwrap_or_default()
    }

    pub(crate) fn all_calls(&self) -> u64 {
        self.0.state.lock().unwrap().calls.values().sum()
    }

    /// Whether no call is under way that will be answered.
    pub(crate) fn is_at_rest(&self) -> bool {
        let state = self.0.state.lock().unwrap();
        state.under_way == 0 || state.dead
    }

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

    async fn begin(&self, call: &'static str) -> Result<UnderWay, StorageError> {
        let (dead, forgotten) = {
            let mut state = self.0.state.lock().unwrap();
            state.under_way += 1;
            *state.calls.entry(call).or_default() += 1;
            (state.dead, state.forgotten)
        };
        let under_way = UnderWay(self.clone());
        if dead {
            return Err(self.forgotten(forgotten).await);
        }
        Ok(under_way)
    }

    async fn side(&self, commit: u64, side: Side) -> Result<(), StorageError> {
        let (dies, forgotten) = {
            let mut state = self.0.state.lock().unwrap();
            let dies = state.dies == Some((commit, side));
            state.dead |= dies;
            (dies, state.forgotten)
        };
        if dies {
            self.0.changed.notify_waiters();
            return Err(self.forgotten(forgotten).await);
        }
        Ok(())
    }

    fn next_commit(&self) -> u64 {
        let mut state = self.0.state.lock().unwrap();
        state.commits += 1;
        state.commits
    }
}

struct Watched {
    storage: Arc<dyn Storage>,
    watch: Watch,
}

/// Counts a call by its own name, then passes it on.
macro_rules! watched {
    ($self:ident, $call:ident ( $($argument:expr),* )) => {
        Box::pin(async move {
            let _under_way = $self.watch.begin(stringify!($call)).await?;
            $self.storage.$call($($argument),*).await
        })
    };
}

type Answer<'a, T> = BoxFuture<'a, Result<T, StorageError>>;

impl Storage for Watched {
    fn kind(&self) -> &'static str {
        self.storage.kind()
    }

    fn writes_in_two(&self) -> bool {
        self.storage.writes_in_two()
    }
}

impl OwnershipStorage for Watched {
    fn join(&self, request: JoinRequest) -> Answer<'_, Joined> {
        watched!(self, join(request))
    }

    fn renew(&self, fence: Fence, lease: Duration) -> Answer<'_, ClusterTime> {
        watched!(self, renew(fence, lease))
    }

    fn runners(&self) -> Answer<'_, Vec<RunnerRow>> {
        watched!(self, runners())
    }

    fn take_shards(&self, fence: Fence, shards: Vec<ShardId>) -> Answer<'_, Vec<TakenShard>> {
        watched!(self, take_shards(fence, shards))
    }

    fn highest_seq(&self) -> Answer<'_, Seq> {
        watched!(self, highest_seq())
    }

    fn raise_fence(&self, fence: Fence) -> Answer<'_, Fence> {
        watched!(self, raise_fence(fence))
    }

    fn leave(&self, fence: Fence) -> Answer<'_, ()> {
        watched!(self, leave(fence))
    }

    fn cluster_time(&self) -> Answer<'_, Timestamp> {
        watched!(self, cluster_time())
    }

    fn set_cluster_time_offset(&self, offset_ms: i64) -> Answer<'_, ()> {
        watched!(self, set_cluster_time_offset(offset_ms))
    }
}

impl MessageStorage for Watched {
    fn load_chunks(&self, scan: ChunkScan) -> Answer<'_, Vec<ChunkRow>> {
        watched!(self, load_chunks(scan))
    }

    fn commit(&self, fence: Fence, batch: Arc<Batch>) -> Answer<'_, Committed> {
        Box::pin(async move {
            let _under_way = self.watch.begin("commit").await?;
            let commit = self.watch.next_commit();
            self.watch.side(commit, Side::Before).await?;
            let committed = self.storage.commit(fence, batch).await;
            self.watch.side(commit, Side::After).await?;
            committed
        })
    }

    fn load_pending(&self, fence: Fence, scan: PendingScan) -> Answer<'_, Vec<PendingRequest>> {
        watched!(self, load_pending(fence, scan))
    }

    fn load_kept_alive(&self, fence: Fence, scan: AliveScan) -> Answer<'_, Vec<StateKey>> {
        watched!(self, load_kept_alive(fence, scan))
    }

    fn load_due(&self, fence: Fence, scan: DueScan) -> Answer<'_, Vec<PendingRequest>> {
        watched!(self, load_due(fence, scan))
    }

    fn held(&self, after: Seq, limit: usize) -> Answer<'_, Vec<HeldRow>> {
        watched!(self, held(after, limit))
    }

    fn find_requests(&self, ids: Vec<RequestId>) -> Answer<'_, Vec<Option<FoundRequest>>> {
        watched!(self, find_requests(ids))
    }

    fn find_keys(&self, digests: Vec<KeyDigest>) -> Answer<'_, Vec<Option<FoundRequest>>> {
        watched!(self, find_keys(digests))
    }

    fn load_states(&self, keys: Vec<StateKey>) -> Answer<'_, Vec<Option<StateRow>>> {
        watched!(self, load_states(keys))
    }

    fn dead_letters(&self, after: Seq, limit: usize) -> Answer<'_, Vec<DeadLetterRow>> {
        watched!(self, dead_letters(after, limit))
    }

    fn inbox(&self, after: InboxNumber, limit: usize) -> Answer<'_, Vec<InboxRow>> {
        watched!(self, inbox(after, limit))
    }

    fn wish(&self, wishes: Vec<Wished>) -> Answer<'_, ()> {
        watched!(self, wish(wishes))
    }

    fn retire(&self, fence: Fence, scan: RetireScan) -> Answer<'_, Retired> {
        watched!(self, retire(fence, scan))
    }
}

impl EntityStorage for Watched {
    fn find_reminders(&self, keys: Vec<ReminderKey>) -> Answer<'_, Vec<Option<ReminderRow>>> {
        watched!(self, find_reminders(keys))
    }

    fn requests_of(&self, scan: EntityScan) -> Answer<'_, Vec<EntityRequest>> {
        watched!(self, requests_of(scan))
    }
}

impl JournalStorage for Watched {
    fn load_journal(&self, execution: Seq) -> Answer<'_, History> {
        watched!(self, load_journal(execution))
    }

    fn find_deferreds(&self, deferreds: Vec<DeferredId>) -> Answer<'_, Vec<Option<DeferredRow>>> {
        watched!(self, find_deferreds(deferreds))
    }
}

impl ContractStorage for Watched {
    fn store_shapes(&self, shapes: Vec<ShapeRow>) -> Answer<'_, ()> {
        watched!(self, store_shapes(shapes))
    }

    fn load_shape(&self, fingerprint: u64) -> Answer<'_, Option<ShapeRow>> {
        watched!(self, load_shape(fingerprint))
    }

    fn store_contracts(&self, contracts: Vec<ContractRow>) -> Answer<'_, ()> {
        watched!(self, store_contracts(contracts))
    }

    fn load_contracts(&self) -> Answer<'_, Vec<ContractRow>> {
        watched!(self, load_contracts())
    }
}
