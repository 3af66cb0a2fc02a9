//! A storage that fails on purpose.

mod by_name;
mod faults;
mod transaction;

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use self::faults::{Dice, Way, disconnected, refused, unknown};
pub use self::faults::{Fault, FaultCounts, Faults, Write};
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
use super::transaction::TransactionStorage;
use super::{BoxFuture, StorageError};
use crate::id::{KeyDigest, RequestId, Seq, ShardId};
use crate::time::{Clock, ClusterTime, Moment, Timestamp};

/// Puts faults in front of another storage: seeded ones that fire by themselves ([`Faults`]), and
/// scripted ones that hit the next writes ([`FaultyStorage::fail_next`]), or every call until it is
/// healed ([`FaultyStorage::hang`], [`FaultyStorage::disconnect`]).
///
/// Clones share the faults and the counts.
///
/// # Panics
/// Raising the fence panics when the storage behind then stores a late commit of the old fence:
/// what it must never do.
#[derive(Clone)]
pub struct FaultyStorage {
    shared: Arc<Shared>,
}

struct Shared {
    inner: Arc<dyn Storage>,
    clock: Clock,
    dice: Dice,
    /// Commits on their way, see [`Fault::LateUnknown`]. Bounded by the calls of the test.
    late: Mutex<Vec<LateCommit>>,
    /// Calls that the storage behind works on.
    under_way: AtomicUsize,
    /// It was healed, or has no call under way any more.
    changed: Notify,
}

/// A call that the storage behind works on; its future may be dropped.
struct UnderWay<'a>(&'a Shared);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }
}

struct LateCommit {
    fence: Fence,
    batch: Arc<Batch>,
}

impl FaultyStorage {
    /// Wraps a storage. Slow calls wait on the given clock.
    pub fn new(inner: Arc<dyn Storage>, faults: Faults, clock: Clock) -> Self {
        let dice = Dice::new(faults);
        let shared = Shared {
            inner,
            clock,
            dice,
            late: Mutex::default(),
            under_way: AtomicUsize::new(0),
            changed: Notify::new(),
        };
        FaultyStorage { shared: Arc::new(shared) }
    }

    /// Hits the next writes of one kind with a fault, as many as given. Replaces what was scripted
    /// for that kind.
    ///
    /// In a [`TestCluster`](crate::testing::TestCluster) two seconds pass by themselves after each,
    /// for those who try again, but after none of [`Write::Renew`], which has its own turns; one
    /// that is [`Fault::Hung`] waits for [`FaultyStorage::heal`].
    pub fn fail_next(&self, write: Write, fault: Fault, times: u32) {
        self.shared.dice.fail_next(write, fault, times);
    }

    /// From now on no call is answered until [`FaultyStorage::heal`]; then those that wait are
    /// done. One that is dropped meanwhile is not done at all.
    pub fn hang(&self) {
        self.shared.dice.hang();
    }

    /// From now on every call fails with `Unavailable`, with nothing done, until
    /// [`FaultyStorage::heal`].
    pub fn disconnect(&self) {
        self.shared.dice.cut(Moment::from_nanos(u64::MAX));
    }

    /// The same for so long on the storage's clock.
    pub fn disconnect_for(&self, outage: Duration) {
        self.shared.dice.cut(self.shared.clock.now() + outage);
    }

    /// Ends all faults: those that fire by themselves for ever, the others until they are asked for
    /// again. Late commits still arrive.
    pub fn heal(&self) {
        self.shared.dice.heal();
        self.shared.changed.notify_waiters();
    }

    /// Faults that fire by themselves wait, such as for the end of a start.
    pub(crate) fn hold_faults(&self) {
        self.shared.dice.wait();
    }

    /// They fire again.
    pub(crate) fn let_faults(&self) {
        self.shared.dice.go_on();
    }

    /// Waits until a script has failed more writes than these. Cancel safe.
    pub(crate) async fn failed_more(&self, than: u64) {
        self.shared.until(|| self.failed() > than).await;
    }

    /// How many writes a script has failed.
    pub(crate) fn failed(&self) -> u64 {
        self.shared.dice.failed()
    }

    /// Whether it was healed, so that no fault fires by itself.
    pub(crate) fn is_healed(&self) -> bool {
        self.shared.dice.is_healed()
    }

    /// Whether the storage behind works on no call. What a fault holds up does not count.
    pub fn is_at_rest(&self) -> bool {
        self.shared.under_way.load(Ordering::SeqCst) == 0
    }

    /// Waits until the storage behind works on no call. Cancel safe.
    pub async fn at_rest(&self) {
        self.shared.until(|| self.is_at_rest()).await;
    }

    /// What has happened so far.
    pub fn counts(&self) -> FaultCounts {
        self.shared.dice.counts()
    }

    async fn read<T>(
        &self,
        work: BoxFuture<'_, Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        self.shared.enter().await?;
        if self.shared.dice.read_fails() {
            return Err(refused());
        }
        self.shared.work(work).await
    }

    async fn write<T>(
        &self,
        kind: Write,
        work: BoxFuture<'_, Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        self.shared.enter().await?;
        self.shared.hit(self.shared.fault(kind), work).await
    }
}

impl Shared {
    /// The way of a call to the storage behind.
    async fn enter(&self) -> Result<(), StorageError> {
        let Way::Open { delay, hangs } = self.dice.way(self.clock.now()) else {
            return Err(disconnected());
        };
        if let Some(delay) = delay {
            self.clock.sleep(delay).await;
        }
        if let Some(heals) = hangs {
            self.healed_after(heals).await;
        }
        Ok(())
    }

    /// The fault that hits this write.
    fn fault(&self, write: Write) -> Option<Fault> {
        let fault = self.dice.fault(write);
        if fault.is_some() {
            self.changed.notify_waiters();
        }
        fault
    }

    async fn healed_after(&self, heals: u64) {
        self.until(|| self.dice.heals() > heals).await;
    }

    async fn until(&self, is_so: impl Fn() -> bool) {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if is_so() {
                return;
            }
            changed.await;
        }
    }

    /// The storage behind works on a call.
    async fn work<T>(&self, work: BoxFuture<'_, T>) -> T {
        self.under_way.fetch_add(1, Ordering::SeqCst);
        let _under_way = UnderWay(self);
        work.await
    }

    async fn hit<T>(
        &self,
        fault: Option<Fault>,
        work: BoxFuture<'_, Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        match fault {
            None => self.work(work).await,
            Some(Fault::Hung) => {
                self.healed_after(self.dice.heals()).await;
                self.work(work).await
            }
            Some(Fault::Refused) => Err(refused()),
            Some(Fault::LostUnknown) => Err(unknown()),
            // An error is what it says: the write surely was not done.
            Some(Fault::DoneUnknown | Fault::LateUnknown) => match self.work(work).await {
                Ok(_) => Err(unknown()),
                Err(error) => Err(error),
            },
        }
    }

    /// Lets late commits arrive, those for which `wanted` says so; returns how many were stored.
    async fn arrive(&self, wanted: impl Fn(&LateCommit) -> bool) -> usize {
        let arriving: Vec<LateCommit> =
            self.late.lock().extract_if(.., |late| wanted(late)).collect();
        let mut stored = 0;
        for LateCommit { fence, batch } in arriving {
            self.dice.count(|counts| counts.commits += 1);
            match self.inner.commit(fence, batch).await {
                Ok(_) => {
                    self.dice.count(|counts| counts.late_stored += 1);
                    stored += 1;
                }
                Err(_) => self.dice.count(|counts| counts.late_refused += 1),
            }
        }
        stored
    }

    async fn join(&self, request: JoinRequest) -> Result<Joined, StorageError> {
        if self.dice.late_arrives_before() {
            self.arrive(|_| true).await;
        }
        let joined = self.inner.join(request).await?;
        self.arrive(|_| true).await;
        Ok(joined)
    }

    async fn raise_fence(&self, fence: Fence) -> Result<Fence, StorageError> {
        let of_fence = |late: &LateCommit| late.fence == fence;
        if self.dice.late_arrives_before() {
            self.arrive(of_fence).await;
        }
        let raised = self.inner.raise_fence(fence).await?;
        let stored = self.arrive(of_fence).await;
        assert_eq!(stored, 0, "the storage stored a batch under a fence that had been raised");
        Ok(raised)
    }
}

impl fmt::Debug for FaultyStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.counts();
        f.debug_struct("FaultyStorage").field("counts", &counts).finish_non_exhaustive()
    }
}

impl Storage for FaultyStorage {
    fn kind(&self) -> &'static str {
        self.shared.inner.kind()
    }

    fn row_limits(&self) -> Option<RowLimits> {
        self.shared.inner.row_limits()
    }

    fn writes_in_two(&self) -> bool {
        self.shared.inner.writes_in_two()
    }

    fn transactions(&self) -> Option<&dyn TransactionStorage> {
        self.shared.inner.transactions().map(|_| self as &dyn TransactionStorage)
    }
}

impl OwnershipStorage for FaultyStorage {
    fn join(&self, request: JoinRequest) -> BoxFuture<'_, Result<Joined, StorageError>> {
        Box::pin(self.write(Write::Join, Box::pin(self.shared.join(request))))
    }

    fn renew(
        &self,
        fence: Fence,
        lease: Duration,
    ) -> BoxFuture<'_, Result<ClusterTime, StorageError>> {
        Box::pin(self.write(Write::Renew, self.shared.inner.renew(fence, lease)))
    }

    fn runners(&self) -> BoxFuture<'_, Result<Vec<RunnerRow>, StorageError>> {
        Box::pin(self.read(self.shared.inner.runners()))
    }

    fn take_shards(
        &self,
        fence: Fence,
        shards: Vec<ShardId>,
    ) -> BoxFuture<'_, Result<Vec<TakenShard>, StorageError>> {
        Box::pin(self.write(Write::TakeShards, self.shared.inner.take_shards(fence, shards)))
    }

    fn highest_seq(&self) -> BoxFuture<'_, Result<Seq, StorageError>> {
        Box::pin(self.read(self.shared.inner.highest_seq()))
    }

    fn raise_fence(&self, fence: Fence) -> BoxFuture<'_, Result<Fence, StorageError>> {
        Box::pin(self.write(Write::RaiseFence, Box::pin(self.shared.raise_fence(fence))))
    }

    fn leave(&self, fence: Fence) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(self.write(Write::Leave, self.shared.inner.leave(fence)))
    }

    fn cluster_time(&self) -> BoxFuture<'_, Result<Timestamp, StorageError>> {
        Box::pin(self.read(self.shared.inner.cluster_time()))
    }

    fn set_cluster_time_offset(&self, offset_ms: i64) -> BoxFuture<'_, Result<(), StorageError>> {
        let work = self.shared.inner.set_cluster_time_offset(offset_ms);
        Box::pin(self.write(Write::SetTimeOffset, work))
    }
}

impl MessageStorage for FaultyStorage {
    fn commit(
        &self,
        fence: Fence,
        batch: Arc<Batch>,
    ) -> BoxFuture<'_, Result<Committed, StorageError>> {
        Box::pin(async move {
            self.shared.enter().await?;
            let fault = self.shared.fault(Write::Commit);
            if fault == Some(Fault::LateUnknown) {
                self.shared.late.lock().push(LateCommit { fence, batch });
                return Err(unknown());
            }
            if !matches!(fault, Some(Fault::Refused | Fault::LostUnknown)) {
                self.shared.dice.count(|counts| counts.commits += 1);
            }
            self.shared.hit(fault, self.shared.inner.commit(fence, batch)).await
        })
    }

    fn load_pending(
        &self,
        fence: Fence,
        scan: PendingScan,
    ) -> BoxFuture<'_, Result<Vec<PendingRequest>, StorageError>> {
        Box::pin(self.read(self.shared.inner.load_pending(fence, scan)))
    }

    fn load_due(
        &self,
        fence: Fence,
        scan: DueScan,
    ) -> BoxFuture<'_, Result<Vec<PendingRequest>, StorageError>> {
        Box::pin(self.read(self.shared.inner.load_due(fence, scan)))
    }

    fn load_kept_alive(
        &self,
        fence: Fence,
        scan: AliveScan,
    ) -> BoxFuture<'_, Result<Vec<StateKey>, StorageError>> {
        Box::pin(self.read(self.shared.inner.load_kept_alive(fence, scan)))
    }

    fn find_requests(
        &self,
        ids: Vec<RequestId>,
    ) -> BoxFuture<'_, Result<Vec<Option<FoundRequest>>, StorageError>> {
        Box::pin(self.read(self.shared.inner.find_requests(ids)))
    }

    fn find_keys(
        &self,
        digests: Vec<KeyDigest>,
    ) -> BoxFuture<'_, Result<Vec<Option<FoundRequest>>, StorageError>> {
        Box::pin(self.read(self.shared.inner.find_keys(digests)))
    }

    fn load_states(
        &self,
        keys: Vec<StateKey>,
    ) -> BoxFuture<'_, Result<Vec<Option<StateRow>>, StorageError>> {
        Box::pin(self.read(self.shared.inner.load_states(keys)))
    }

    fn dead_letters(
        &self,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<DeadLetterRow>, StorageError>> {
        Box::pin(self.read(self.shared.inner.dead_letters(after, limit)))
    }

    fn held(&self, after: Seq, limit: usize) -> BoxFuture<'_, Result<Vec<HeldRow>, StorageError>> {
        Box::pin(self.read(self.shared.inner.held(after, limit)))
    }

    fn load_chunks(&self, scan: ChunkScan) -> BoxFuture<'_, Result<Vec<ChunkRow>, StorageError>> {
        Box::pin(self.read(self.shared.inner.load_chunks(scan)))
    }

    fn inbox(
        &self,
        after: InboxNumber,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<InboxRow>, StorageError>> {
        Box::pin(self.read(self.shared.inner.inbox(after, limit)))
    }

    fn wish(&self, wishes: Vec<Wished>) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(self.write(Write::Wish, self.shared.inner.wish(wishes)))
    }

    fn retire(
        &self,
        fence: Fence,
        scan: RetireScan,
    ) -> BoxFuture<'_, Result<Retired, StorageError>> {
        Box::pin(self.write(Write::Retire, self.shared.inner.retire(fence, scan)))
    }
}

impl EntityStorage for FaultyStorage {
    fn find_reminders(
        &self,
        keys: Vec<ReminderKey>,
    ) -> BoxFuture<'_, Result<Vec<Option<ReminderRow>>, StorageError>> {
        Box::pin(self.read(self.shared.inner.find_reminders(keys)))
    }

    fn requests_of(
        &self,
        scan: EntityScan,
    ) -> BoxFuture<'_, Result<Vec<EntityRequest>, StorageError>> {
        Box::pin(self.read(self.shared.inner.requests_of(scan)))
    }
}

impl JournalStorage for FaultyStorage {
    fn load_journal(&self, execution: Seq) -> BoxFuture<'_, Result<History, StorageError>> {
        Box::pin(self.read(self.shared.inner.load_journal(execution)))
    }

    fn find_deferreds(
        &self,
        deferreds: Vec<DeferredId>,
    ) -> BoxFuture<'_, Result<Vec<Option<DeferredRow>>, StorageError>> {
        Box::pin(self.read(self.shared.inner.find_deferreds(deferreds)))
    }
}

impl ContractStorage for FaultyStorage {
    fn store_shapes(&self, shapes: Vec<ShapeRow>) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(self.write(Write::StoreShapes, self.shared.inner.store_shapes(shapes)))
    }

    fn load_shape(
        &self,
        fingerprint: u64,
    ) -> BoxFuture<'_, Result<Option<ShapeRow>, StorageError>> {
        Box::pin(self.read(self.shared.inner.load_shape(fingerprint)))
    }

    fn store_contracts(
        &self,
        contracts: Vec<ContractRow>,
    ) -> BoxFuture<'_, Result<(), StorageError>> {
        let work = self.shared.inner.store_contracts(contracts);
        Box::pin(self.write(Write::StoreContracts, work))
    }

    fn load_contracts(&self) -> BoxFuture<'_, Result<Vec<ContractRow>, StorageError>> {
        Box::pin(self.read(self.shared.inner.load_contracts()))
    }
}
