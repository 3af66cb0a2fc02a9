//! The suite runs against a storage written elsewhere, through public API alone, and notices what
//! is wrong with one.
#![allow(clippy::unwrap_used)] // Helpers of tests fail as tests do.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cluster_core::id::{KeyDigest, RequestId, Seq, ShardId};
use cluster_core::storage::{
    AliveScan, Batch, BoxFuture, ChunkRow, ChunkScan, Committed, ContractRow, ContractStorage,
    DeadLetterRow, DeferredId, DeferredRow, DueScan, EntityRequest, EntityScan, EntityStorage,
    Fence, FoundRequest, HeldRow, History, InboxNumber, InboxRow, JoinRequest, Joined,
    JournalStorage, MemoryStorage, MessageStorage, OwnershipStorage, PendingRequest, PendingScan,
    ReminderKey, ReminderRow, RetireScan, Retired, RunnerRow, ShapeRow, StateKey, StateRow,
    Storage, StorageError, TakenShard, Wished,
};
use cluster_core::testing::suite::{Backend, run};
use cluster_core::time::{ClusterTime, Timestamp};

type Committing<'a> = BoxFuture<'a, Result<Committed, StorageError>>;

/// What somebody else's storage does wrong, on top of one that is right.
trait Habit: Send + Sync + Sized + 'static {
    /// Commits as this habit does.
    fn commit(storage: &Outside<Self>, fence: Fence, batch: Arc<Batch>) -> Committing<'_> {
        storage.inner.commit(fence, batch)
    }

    /// Loads a page as this habit does.
    fn page(pending: Vec<PendingRequest>) -> Vec<PendingRequest> {
        pending
    }
}

/// Nothing is wrong.
struct Right;

/// Writes under the newest fence, whichever the writer has.
struct Unfenced;

/// Writes a state over whatever version is there.
struct Overwriting;

/// Forgets the keys of requests.
struct Unkeyed;

/// Gives pending requests out in the order of their entities.
struct Unordered;

impl Habit for Right {}

impl Habit for Unfenced {
    fn commit(storage: &Outside<Self>, _: Fence, batch: Arc<Batch>) -> Committing<'_> {
        let newest = storage.newest.lock().unwrap().expect("a runner has joined");
        storage.inner.commit(newest, batch)
    }
}

impl Habit for Overwriting {
    fn commit(storage: &Outside<Self>, fence: Fence, batch: Arc<Batch>) -> Committing<'_> {
        Box::pin(async move {
            let mut batch = Batch::clone(&batch);
            loop {
                match storage.inner.commit(fence, Arc::new(batch.clone())).await {
                    Err(StorageError::StateConflict { entity_id, found, .. }) => {
                        let mut writes = batch.states.iter_mut();
                        writes.find(|write| write.key.entity_id == entity_id).unwrap().from = found;
                    }
                    done => return done,
                }
            }
        })
    }
}

impl Habit for Unkeyed {
    fn commit(storage: &Outside<Self>, fence: Fence, batch: Arc<Batch>) -> Committing<'_> {
        let mut batch = Batch::clone(&batch);
        batch.accepts.iter_mut().for_each(|row| row.key = None);
        storage.inner.commit(fence, Arc::new(batch))
    }
}

impl Habit for Unordered {
    fn page(mut pending: Vec<PendingRequest>) -> Vec<PendingRequest> {
        pending.sort_by_key(|found| found.request.entity_id.clone());
        pending
    }
}

/// The storage.
struct Outside<H> {
    inner: MemoryStorage,
    newest: Arc<Mutex<Option<Fence>>>,
    habit: PhantomData<H>,
}

impl<H: Habit> Storage for Outside<H> {
    fn kind(&self) -> &'static str {
        "outside"
    }

    fn writes_in_two(&self) -> bool {
        self.inner.writes_in_two()
    }
}

impl<H: Habit> OwnershipStorage for Outside<H> {
    fn join(&self, request: JoinRequest) -> BoxFuture<'_, Result<Joined, StorageError>> {
        Box::pin(async move {
            let joined = self.inner.join(request).await?;
            *self.newest.lock().unwrap() = Some(joined.fence);
            Ok(joined)
        })
    }

    fn renew(
        &self,
        fence: Fence,
        lease: Duration,
    ) -> BoxFuture<'_, Result<ClusterTime, StorageError>> {
        self.inner.renew(fence, lease)
    }

    fn runners(&self) -> BoxFuture<'_, Result<Vec<RunnerRow>, StorageError>> {
        self.inner.runners()
    }

    fn take_shards(
        &self,
        fence: Fence,
        shards: Vec<ShardId>,
    ) -> BoxFuture<'_, Result<Vec<TakenShard>, StorageError>> {
        self.inner.take_shards(fence, shards)
    }

    fn highest_seq(&self) -> BoxFuture<'_, Result<Seq, StorageError>> {
        self.inner.highest_seq()
    }

    fn raise_fence(&self, fence: Fence) -> BoxFuture<'_, Result<Fence, StorageError>> {
        Box::pin(async move {
            let raised = self.inner.raise_fence(fence).await?;
            *self.newest.lock().unwrap() = Some(raised);
            Ok(raised)
        })
    }

    fn leave(&self, fence: Fence) -> BoxFuture<'_, Result<(), StorageError>> {
        self.inner.leave(fence)
    }

    fn cluster_time(&self) -> BoxFuture<'_, Result<Timestamp, StorageError>> {
        self.inner.cluster_time()
    }

    fn set_cluster_time_offset(&self, offset_ms: i64) -> BoxFuture<'_, Result<(), StorageError>> {
        self.inner.set_cluster_time_offset(offset_ms)
    }
}

impl<H: Habit> MessageStorage for Outside<H> {
    fn commit(
        &self,
        fence: Fence,
        batch: Arc<Batch>,
    ) -> BoxFuture<'_, Result<Committed, StorageError>> {
        H::commit(self, fence, batch)
    }

    fn load_pending(
        &self,
        fence: Fence,
        scan: PendingScan,
    ) -> BoxFuture<'_, Result<Vec<PendingRequest>, StorageError>> {
        Box::pin(async move { Ok(H::page(self.inner.load_pending(fence, scan).await?)) })
    }

    fn load_due(
        &self,
        fence: Fence,
        scan: DueScan,
    ) -> BoxFuture<'_, Result<Vec<PendingRequest>, StorageError>> {
        self.inner.load_due(fence, scan)
    }

    fn load_kept_alive(
        &self,
        fence: Fence,
        scan: AliveScan,
    ) -> BoxFuture<'_, Result<Vec<StateKey>, StorageError>> {
        self.inner.load_kept_alive(fence, scan)
    }

    fn find_requests(
        &self,
        ids: Vec<RequestId>,
    ) -> BoxFuture<'_, Result<Vec<Option<FoundRequest>>, StorageError>> {
        self.inner.find_requests(ids)
    }

    fn find_keys(
        &self,
        digests: Vec<KeyDigest>,
    ) -> BoxFuture<'_, Result<Vec<Option<FoundRequest>>, StorageError>> {
        self.inner.find_keys(digests)
    }

    fn load_states(
        &self,
        keys: Vec<StateKey>,
    ) -> BoxFuture<'_, Result<Vec<Option<StateRow>>, StorageError>> {
        self.inner.load_states(keys)
    }

    fn dead_letters(
        &self,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<DeadLetterRow>, StorageError>> {
        self.inner.dead_letters(after, limit)
    }

    fn held(&self, after: Seq, limit: usize) -> BoxFuture<'_, Result<Vec<HeldRow>, StorageError>> {
        self.inner.held(after, limit)
    }

    fn load_chunks(&self, scan: ChunkScan) -> BoxFuture<'_, Result<Vec<ChunkRow>, StorageError>> {
        self.inner.load_chunks(scan)
    }

    fn inbox(
        &self,
        after: InboxNumber,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<InboxRow>, StorageError>> {
        self.inner.inbox(after, limit)
    }

    fn wish(&self, wishes: Vec<Wished>) -> BoxFuture<'_, Result<(), StorageError>> {
        self.inner.wish(wishes)
    }

    fn retire(
        &self,
        fence: Fence,
        scan: RetireScan,
    ) -> BoxFuture<'_, Result<Retired, StorageError>> {
        self.inner.retire(fence, scan)
    }
}

impl<H: Habit> JournalStorage for Outside<H> {
    fn load_journal(&self, execution: Seq) -> BoxFuture<'_, Result<History, StorageError>> {
        self.inner.load_journal(execution)
    }

    fn find_deferreds(
        &self,
        deferreds: Vec<DeferredId>,
    ) -> BoxFuture<'_, Result<Vec<Option<DeferredRow>>, StorageError>> {
        self.inner.find_deferreds(deferreds)
    }
}

impl<H: Habit> EntityStorage for Outside<H> {
    fn find_reminders(
        &self,
        keys: Vec<ReminderKey>,
    ) -> BoxFuture<'_, Result<Vec<Option<ReminderRow>>, StorageError>> {
        self.inner.find_reminders(keys)
    }

    fn requests_of(
        &self,
        scan: EntityScan,
    ) -> BoxFuture<'_, Result<Vec<EntityRequest>, StorageError>> {
        self.inner.requests_of(scan)
    }
}

impl<H: Habit> ContractStorage for Outside<H> {
    fn store_shapes(&self, shapes: Vec<ShapeRow>) -> BoxFuture<'_, Result<(), StorageError>> {
        self.inner.store_shapes(shapes)
    }

    fn load_shape(
        &self,
        fingerprint: u64,
    ) -> BoxFuture<'_, Result<Option<ShapeRow>, StorageError>> {
        self.inner.load_shape(fingerprint)
    }

    fn store_contracts(
        &self,
        contracts: Vec<ContractRow>,
    ) -> BoxFuture<'_, Result<(), StorageError>> {
        self.inner.store_contracts(contracts)
    }

    fn load_contracts(&self) -> BoxFuture<'_, Result<Vec<ContractRow>, StorageError>> {
        self.inner.load_contracts()
    }
}

/// Databases of it: one store for each prefix.
struct Databases<H>(
    Mutex<HashMap<String, (MemoryStorage, Arc<Mutex<Option<Fence>>>)>>,
    PhantomData<H>,
);

impl<H: Habit> Backend for Databases<H> {
    async fn fresh() -> Self {
        Databases(Mutex::default(), PhantomData)
    }

    async fn open(&self, prefix: &str) -> Arc<dyn Storage> {
        let (inner, newest) = self.0.lock().unwrap().entry(prefix.to_owned()).or_default().clone();
        Arc::new(Outside::<H> { inner, newest, habit: PhantomData })
    }
}

mod right {
    use super::{Databases, Right};

    cluster_core::storage_suite!(Databases<Right>);
}

#[track_caller]
fn assert_noticed(case: fn()) {
    assert!(std::panic::catch_unwind(case).is_err(), "the suite did not notice");
}

// proves: B238
#[test]
fn the_suite_notices_what_is_wrong() {
    assert_noticed(run::nothing_commits_under_a_raised_fence::<Databases<Unfenced>>);
    assert_noticed(run::joining_fences_off_every_earlier_incarnation::<Databases<Unfenced>>);
    assert_noticed(run::a_state_is_written_over_its_own_version_only::<Databases<Overwriting>>);
    assert_noticed(run::a_conflict_writes_nothing_of_its_batch::<Databases<Overwriting>>);
    assert_noticed(run::a_known_key_tells_the_first_request_and_its_outcome::<Databases<Unkeyed>>);
    assert_noticed(
        run::pending_requests_load_in_order_page_by_page_each_once::<Databases<Unordered>>,
    );
}
