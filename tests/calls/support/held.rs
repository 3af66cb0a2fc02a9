//! A storage whose commits wait for the test.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cluster::id::{KeyDigest, RequestId, Seq, ShardId};
use cluster::storage::{
    Batch, BoxFuture, ChunkRow, ChunkScan, Committed, ContractRow, ContractStorage, DeadLetterRow,
    Fence, FoundRequest, JoinRequest, Joined, MessageStorage, OwnershipStorage, PendingRequest,
    PendingScan, RetireScan, Retired, ShapeRow, StateKey, StateRow, Storage, StorageError,
    TakenShard, TransactionStorage,
};
use cluster::time::Timestamp;
use tokio::sync::{Semaphore, watch};

type Answer<'a, T> = BoxFuture<'a, Result<T, StorageError>>;

/// Another storage, whose commits can be held back, made to fail, and counted.
#[derive(Clone)]
pub(crate) struct HeldStorage(Arc<Inner>);

struct Inner {
    behind: Arc<dyn Storage>,
    held: watch::Sender<bool>,
    /// Commits that have come while they are held.
    waiting: Semaphore,
    to_fail: AtomicUsize,
    commits: AtomicUsize,
    loads: AtomicUsize,
    calls: AtomicUsize,
}

impl HeldStorage {
    pub(crate) fn new(behind: Arc<dyn Storage>) -> Self {
        HeldStorage(Arc::new(Inner {
            behind,
            held: watch::Sender::new(false),
            waiting: Semaphore::new(0),
            to_fail: AtomicUsize::new(0),
            commits: AtomicUsize::new(0),
            loads: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
        }))
    }

    /// From now on commits wait.
    pub(crate) fn hold(&self) {
        self.0.held.send_replace(true);
    }

    /// Waits until as many commits more wait.
    pub(crate) async fn waiting(&self, count: u32) {
        super::soon(self.0.waiting.acquire_many(count)).await.expect("never closed").forget();
    }

    /// Lets all commits on.
    pub(crate) fn release(&self) {
        self.0.held.send_replace(false);
    }

    /// Makes as many commits fail with nothing written, once they are let on. Where they must not
    /// be tried again, set `commit_attempts` to one.
    pub(crate) fn fail(&self, count: usize) {
        self.0.to_fail.store(count, Ordering::SeqCst);
    }

    /// How many batches were committed so far.
    pub(crate) fn commits(&self) -> usize {
        self.0.commits.load(Ordering::SeqCst)
    }

    /// How often pending requests were asked for so far.
    pub(crate) fn loads(&self) -> usize {
        self.0.loads.load(Ordering::SeqCst)
    }

    /// How often it was asked for anything so far.
    pub(crate) fn calls(&self) -> usize {
        self.0.calls.load(Ordering::SeqCst)
    }

    /// The storage behind, for one more call.
    fn behind(&self) -> &dyn Storage {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        &*self.0.behind
    }
}

impl Inner {
    async fn pass(&self) -> Result<(), StorageError> {
        let mut held = self.held.subscribe();
        if *held.borrow() {
            self.waiting.add_permits(1);
            held.wait_for(|held| !held).await.expect("its sender lives as long");
        }
        let fails = |left: usize| left.checked_sub(1);
        if self.to_fail.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fails).is_ok() {
            return Err(StorageError::unavailable(std::io::Error::other("a test says so")));
        }
        self.commits.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

impl Storage for HeldStorage {
    fn kind(&self) -> &'static str {
        self.0.behind.kind()
    }

    fn transactions(&self) -> Option<&dyn TransactionStorage> {
        self.0.behind.transactions()
    }
}

impl OwnershipStorage for HeldStorage {
    fn join(&self, request: JoinRequest) -> Answer<'_, Joined> {
        self.behind().join(request)
    }

    fn take_shards(&self, fence: Fence, shards: Vec<ShardId>) -> Answer<'_, Vec<TakenShard>> {
        self.behind().take_shards(fence, shards)
    }

    fn highest_seq(&self) -> Answer<'_, Seq> {
        self.behind().highest_seq()
    }

    fn raise_fence(&self, fence: Fence) -> Answer<'_, Fence> {
        self.behind().raise_fence(fence)
    }

    fn leave(&self, fence: Fence) -> Answer<'_, ()> {
        self.behind().leave(fence)
    }

    fn cluster_time(&self) -> Answer<'_, Timestamp> {
        self.behind().cluster_time()
    }

    fn set_cluster_time_offset(&self, offset_ms: i64) -> Answer<'_, ()> {
        self.behind().set_cluster_time_offset(offset_ms)
    }
}

impl MessageStorage for HeldStorage {
    fn commit(&self, fence: Fence, batch: Arc<Batch>) -> Answer<'_, Committed> {
        Box::pin(async move {
            self.0.pass().await?;
            self.behind().commit(fence, batch).await
        })
    }

    fn load_pending(&self, fence: Fence, scan: PendingScan) -> Answer<'_, Vec<PendingRequest>> {
        self.0.loads.fetch_add(1, Ordering::SeqCst);
        self.behind().load_pending(fence, scan)
    }

    fn find_requests(&self, ids: Vec<RequestId>) -> Answer<'_, Vec<Option<FoundRequest>>> {
        self.behind().find_requests(ids)
    }

    fn find_keys(&self, digests: Vec<KeyDigest>) -> Answer<'_, Vec<Option<FoundRequest>>> {
        self.behind().find_keys(digests)
    }

    fn load_states(&self, keys: Vec<StateKey>) -> Answer<'_, Vec<Option<StateRow>>> {
        self.behind().load_states(keys)
    }

    fn dead_letters(&self, after: Seq, limit: usize) -> Answer<'_, Vec<DeadLetterRow>> {
        self.behind().dead_letters(after, limit)
    }

    fn load_chunks(&self, scan: ChunkScan) -> Answer<'_, Vec<ChunkRow>> {
        self.behind().load_chunks(scan)
    }

    fn retire(&self, fence: Fence, scan: RetireScan) -> Answer<'_, Retired> {
        self.behind().retire(fence, scan)
    }
}

impl ContractStorage for HeldStorage {
    fn store_shapes(&self, shapes: Vec<ShapeRow>) -> Answer<'_, ()> {
        self.behind().store_shapes(shapes)
    }

    fn load_shape(&self, fingerprint: u64) -> Answer<'_, Option<ShapeRow>> {
        self.behind().load_shape(fingerprint)
    }

    fn store_contracts(&self, contracts: Vec<ContractRow>) -> Answer<'_, ()> {
        self.behind().store_contracts(contracts)
    }

    fn load_contracts(&self) -> Answer<'_, Vec<ContractRow>> {
        self.behind().load_contracts()
    }
}
