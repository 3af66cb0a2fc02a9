//! A door before a storage: commits wait at it until the test lets them pass or turns them away,
//! calls fail when told to, and everything that passes is counted.

mod own;

use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cluster::id::{KeyDigest, RequestId, Seq, ShardId};
use cluster::storage::{
    AliveScan, Batch, BoxFuture, ChunkRow, ChunkScan, Committed, ContractRow, ContractStorage,
    DeadLetterRow, DeferredId, DeferredRow, DueScan, EntityRequest, EntityScan, EntityStorage,
    Fence, FoundRequest, HeldRow, History, InboxNumber, InboxRow, JoinRequest, Joined,
    JournalStorage, MessageStorage, OwnershipStorage, PendingRequest, PendingScan, ReminderKey,
    ReminderRow, RetentionClass, RetireScan, Retired, RunnerRow, ShapeRow, StateKey, StateRow,
    Storage, StorageError, TakenShard, TransactionStorage, Wished,
};
use cluster::time::{ClusterTime, Timestamp};
use tokio::sync::Notify;

/// The test's hold on the door. Clones are the same door, over all restarts.
#[derive(Clone, Default)]
pub(crate) struct Door(Arc<Hinge>);

#[derive(Default)]
struct Hinge {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// Where commits wait, by [`Side`].
    leaves: [Leaf; 4],
    /// How many of the next calls of this name fail.
    failing: BTreeMap<&'static str, u32>,
    calls: BTreeMap<&'static str, u64>,
    /// Calls of these names wait before the storage, or with its answer behind it.
    stopped: BTreeMap<(&'static str, Reading), usize>,
    /// Calls that have ended, where that matters.
    done: BTreeMap<&'static str, u64>,
    /// Calls that the storage works on.
    under_way: usize,
    /// Commits that the storage was given so far.
    given: u64,
    /// Of the calls under way, renewals of a lease.
    renewals: usize,
    /// Handlers' own transactions that are open: an embedded database has one writer, and a renewal
    /// waits for it.
    open: usize,
    /// What each committed batch wrote.
    commits: Vec<Arc<Batch>>,
    /// What each committed transaction of a handler wrote.
    own: Vec<Arc<Batch>>,
    /// Outcomes in the batches.
    outcomes: usize,
}

impl State {
    fn is_at_rest(&self) -> bool {
        let waiting = if self.open > 0 { self.renewals } else { 0 };
        self.under_way == waiting
    }
}

#[derive(Default)]
struct Leaf {
    closed: bool,
    /// Only these batches wait.
    only: Option<fn(&Batch) -> bool>,
    /// So many commits were given to the storage before it was closed: what they have done may be
    /// known already, and their answers pass.
    earlier: u64,
    /// Commits that have come to the closed door so far.
    arrived: usize,
    /// For those that wait, first come first served.
    verdicts: VecDeque<Verdict>,
}

/// Where a call that only reads waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reading {
    /// Before it reads.
    Before,
    /// When it has read.
    After,
}

enum Verdict {
    Pass,
    Fail(StorageError),
}

/// Where a commit waits.
#[derive(Clone, Copy)]
pub(crate) enum Side {
    /// A batch, before it reaches the storage.
    Before,
    /// A batch that is done, before anybody hears of it.
    After,
    /// The commit of a handler's own transaction, before.
    BeforeOwn,
    /// The commit of a handler's own transaction, after.
    AfterOwn,
}

/// The source of an error that a test asked for.
#[derive(Debug, thiserror::Error)]
#[error("turned away at the door")]
pub(crate) struct TurnedAway;

/// Surely not done.
pub(crate) fn refused() -> StorageError {
    StorageError::unavailable(TurnedAway)
}

/// Done or not.
pub(crate) fn unknown() -> StorageError {
    StorageError::unknown_outcome(TurnedAway)
}

impl Door {
    /// The storage behind this door.
    pub(crate) fn before(&self, storage: Arc<dyn Storage>) -> Arc<dyn Storage> {
        Arc::new(Guarded { storage, door: self.clone() })
    }

    /// From now on commits wait here.
    pub(crate) fn hold(&self, side: Side) {
        self.close(side, None);
    }

    /// From now on these commits wait here, and others pass.
    pub(crate) fn hold_those(&self, side: Side, which: fn(&Batch) -> bool) {
        self.close(side, Some(which));
    }

    fn close(&self, side: Side, only: Option<fn(&Batch) -> bool>) {
        self.change(|state| {
            let earlier = state.given;
            let leaf = Leaf { closed: true, only, earlier, ..Leaf::default() };
            state.leaves[side as usize] = leaf;
        });
    }

    /// From now on batches wait before the door.
    pub(crate) fn hold_commits(&self) {
        self.hold(Side::Before);
    }

    /// From now on batches are done, and wait behind the door before they are told.
    pub(crate) fn hold_answers(&self) {
        self.hold(Side::After);
    }

    /// Waits until so many commits have come to this side since it was closed.
    pub(crate) async fn held(&self, side: Side, many: usize) {
        self.until(|state| (state.leaves[side as usize].arrived >= many).then_some(())).await;
    }

    /// Waits until so many batches have come to the closed door.
    pub(crate) async fn commits_held(&self, many: usize) {
        self.held(Side::Before, many).await;
    }

    /// Waits until so many batches are done and wait to be told.
    pub(crate) async fn answers_held(&self, many: usize) {
        self.held(Side::After, many).await;
    }

    /// Lets the batch pass that waits, or the next one; the door stays closed.
    pub(crate) fn pass_one(&self) {
        self.decide(Side::Before, Verdict::Pass);
    }

    /// Turns the batch away that waits, or the next one; the door stays closed.
    pub(crate) fn turn_away(&self, error: StorageError) {
        self.decide(Side::Before, Verdict::Fail(error));
    }

    /// The batch that is done and waits to be told, or the next one, is told this instead.
    pub(crate) fn answer_with(&self, error: StorageError) {
        self.decide(Side::After, Verdict::Fail(error));
    }

    /// The commit that waits here, or the next one, ends so.
    pub(crate) fn fail_at(&self, side: Side, error: StorageError) {
        self.decide(side, Verdict::Fail(error));
    }

    fn decide(&self, side: Side, verdict: Verdict) {
        self.change(|state| state.leaves[side as usize].verdicts.push_back(verdict));
    }

    /// Opens the whole door.
    pub(crate) fn release(&self) {
        self.change(|state| state.leaves.iter_mut().for_each(|leaf| leaf.closed = false));
    }

    /// From now on calls of this name wait here.
    pub(crate) fn stop(&self, call: &'static str, at: Reading) {
        self.change(|state| _ = state.stopped.insert((call, at), 0));
    }

    /// Waits until so many calls of this name have come here since.
    pub(crate) async fn stopped(&self, call: &'static str, at: Reading, many: usize) {
        self.until(|state| (state.stopped.get(&(call, at)) >= Some(&many)).then_some(())).await;
    }

    /// Lets calls of this name pass again.
    pub(crate) fn go_on(&self, call: &'static str) {
        self.change(|state| state.stopped.retain(|(stopped, _), _| *stopped != call));
    }

    /// Lets calls of this name that wait before the storage read, and stops them with the answer.
    pub(crate) fn let_read(&self, call: &'static str) {
        self.stop(call, Reading::After);
        self.change(|state| _ = state.stopped.remove(&(call, Reading::Before)));
    }

    async fn read(&self, call: &'static str, at: Reading) {
        self.change(|state| {
            if let Some(arrived) = state.stopped.get_mut(&(call, at)) {
                *arrived += 1;
            }
        });
        self.until(|state| (!state.stopped.contains_key(&(call, at))).then_some(())).await;
    }

    /// The next calls of this name fail, with nothing done.
    pub(crate) fn fail(&self, call: &'static str, times: u32) {
        self.change(|state| _ = state.failing.insert(call, times));
    }

    /// How many of the failures are still to come.
    pub(crate) fn failures_left(&self, call: &'static str) -> u32 {
        self.0.state.lock().unwrap().failing.get(call).copied().unwrap_or_default()
    }

    /// How many calls of this name there were.
    pub(crate) fn calls(&self, call: &'static str) -> u64 {
        self.0.state.lock().unwrap().calls.get(call).copied().unwrap_or_default()
    }

    /// How many calls there were, by name.
    pub(crate) fn calls_by_name(&self) -> BTreeMap<&'static str, u64> {
        self.0.state.lock().unwrap().calls.clone()
    }

    /// How many calls there were.
    pub(crate) fn all_calls(&self) -> u64 {
        self.0.state.lock().unwrap().calls.values().sum()
    }

    /// Whether the storage works on no call.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.0.state.lock().unwrap().is_at_rest()
    }

    /// Waits until the storage works on no call.
    pub(crate) async fn at_rest(&self) {
        self.until(|state| state.is_at_rest().then_some(())).await;
    }

    /// How many calls of this name have ended.
    pub(crate) fn done(&self, call: &'static str) -> u64 {
        self.0.state.lock().unwrap().done.get(call).copied().unwrap_or_default()
    }

    /// The last committed request to accept of this class.
    pub(crate) fn last_accepted(&self, class: RetentionClass) -> RequestId {
        let state = self.0.state.lock().unwrap();
        let rows = state.commits.iter().flat_map(|batch| &batch.accepts);
        rows.filter(|row| row.class == class).last().expect("there is one").id
    }

    /// Waits until there were so many calls of this name.
    pub(crate) async fn called(&self, call: &'static str, times: u64) {
        self.until(|state| (state.calls.get(call) >= Some(&times)).then_some(())).await;
    }

    /// What each committed transaction of a handler wrote beside the handler's own rows.
    pub(crate) fn own_commits(&self) -> Vec<Arc<Batch>> {
        self.0.state.lock().unwrap().own.clone()
    }

    /// The batches that were committed, in order.
    pub(crate) fn commits(&self) -> Vec<Arc<Batch>> {
        self.0.state.lock().unwrap().commits.clone()
    }

    /// Waits until so many outcomes are committed.
    pub(crate) async fn outcomes_committed(&self, many: usize) {
        self.until(|state| (state.outcomes >= many).then_some(())).await;
    }

    /// How many requests stood to be accepted in the batches that were committed.
    pub(crate) fn accepts(&self) -> usize {
        self.0.state.lock().unwrap().commits.iter().map(|batch| batch.accepts.len()).sum()
    }

    /// How many failed attempts were committed.
    pub(crate) fn attempts(&self) -> usize {
        self.0.state.lock().unwrap().commits.iter().map(|batch| batch.attempts.len()).sum()
    }

    /// The highest version of a state that was committed.
    pub(crate) fn committed_state_versions(&self) -> u64 {
        let state = self.0.state.lock().unwrap();
        let states = state.commits.iter().flat_map(|batch| &batch.states);
        states.map(|write| write.to.as_u64()).max().unwrap_or_default()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.state.lock().unwrap());
        self.0.changed.notify_waiters();
    }

    async fn until<T>(&self, mut reached: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let mut changed = pin!(self.0.changed.notified());
            changed.as_mut().enable();
            if let Some(reached) = reached(&mut self.0.state.lock().unwrap()) {
                return reached;
            }
            changed.await;
        }
    }

    /// Counts a call, and fails it if it is to.
    fn count(&self, call: &'static str) -> Result<(), StorageError> {
        let mut failed = false;
        self.change(|state| {
            *state.calls.entry(call).or_default() += 1;
            let left = state.failing.get_mut(call).filter(|left| **left > 0);
            failed = left.map(|left| *left -= 1).is_some();
        });
        if failed { Err(refused()) } else { Ok(()) }
    }

    /// The storage works on a call, also when its future is dropped.
    fn enter(&self) -> Inside {
        self.change(|state| state.under_way += 1);
        Inside(self.clone())
    }

    /// The storage is given a commit; which one that is.
    fn give(&self) -> u64 {
        let mut number = 0;
        self.change(|state| {
            number = state.given;
            state.given += 1;
        });
        number
    }

    /// Stands before the door until it may go on.
    async fn pass(&self, side: Side, batch: &Batch) -> Result<(), StorageError> {
        self.pass_as(side, batch, u64::MAX).await
    }

    /// Stands at a side of the door until it may go on, as the commit of this number.
    async fn pass_as(&self, side: Side, batch: &Batch, number: u64) -> Result<(), StorageError> {
        let mut is_meant = true;
        self.change(|state| {
            let leaf = &mut state.leaves[side as usize];
            is_meant = number >= leaf.earlier && leaf.only.is_none_or(|only| only(batch));
            leaf.arrived += usize::from(leaf.closed && is_meant);
        });
        if !is_meant {
            return Ok(());
        }
        let verdict = self.until(|state| {
            let leaf = &mut state.leaves[side as usize];
            let open = (!leaf.closed).then_some(Verdict::Pass);
            leaf.verdicts.pop_front().or(open)
        });
        match verdict.await {
            Verdict::Pass => Ok(()),
            Verdict::Fail(error) => Err(error),
        }
    }
}

/// A call that the storage works on.
struct Inside(Door);

/// A renewal, the same.
struct Renews(Door);

impl Renews {
    fn new(door: &Door) -> Self {
        door.change(|state| state.renewals += 1);
        Renews(door.clone())
    }
}

impl Drop for Renews {
    fn drop(&mut self) {
        self.0.change(|state| state.renewals -= 1);
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.change(|state| state.under_way -= 1);
    }
}

#[derive(Clone)]
/// It says nothing of its row limits, so that what is too large is met where it is written.
struct Guarded {
    storage: Arc<dyn Storage>,
    door: Door,
}

/// Counts a call by its own name, then passes it on.
macro_rules! counted {
    ($self:ident, $call:ident ( $($argument:expr),* )) => {
        counted!($self, $call => $self.storage.$call($($argument),*))
    };
    ($self:ident, $call:ident => $work:expr) => {
        Box::pin(async move {
            $self.door.count(stringify!($call))?;
            $self.door.read(stringify!($call), Reading::Before).await;
            let inside = $self.door.enter();
            let done = $work.await;
            drop(inside);
            $self.door.read(stringify!($call), Reading::After).await;
            $self.door.change(|state| *state.done.entry(stringify!($call)).or_default() += 1);
            done
        })
    };
}

impl Storage for Guarded {
    fn kind(&self) -> &'static str {
        self.storage.kind()
    }

    fn writes_in_two(&self) -> bool {
        self.storage.writes_in_two()
    }

    fn transactions(&self) -> Option<&dyn TransactionStorage> {
        self.storage.transactions().map(|_| self as &dyn TransactionStorage)
    }
}

type Answer<'a, T> = BoxFuture<'a, Result<T, StorageError>>;

impl OwnershipStorage for Guarded {
    fn join(&self, request: JoinRequest) -> Answer<'_, Joined> {
        counted!(self, join(request))
    }

    fn renew(&self, fence: Fence, lease: Duration) -> Answer<'_, ClusterTime> {
        let renew = async move {
            let _renews = Renews::new(&self.door);
            self.storage.renew(fence, lease).await
        };
        counted!(self, renew => renew)
    }

    fn runners(&self) -> Answer<'_, Vec<RunnerRow>> {
        counted!(self, runners())
    }

    fn take_shards(&self, fence: Fence, shards: Vec<ShardId>) -> Answer<'_, Vec<TakenShard>> {
        counted!(self, take_shards(fence, shards))
    }

    fn highest_seq(&self) -> Answer<'_, Seq> {
        counted!(self, highest_seq())
    }

    fn raise_fence(&self, fence: Fence) -> Answer<'_, Fence> {
        counted!(self, raise_fence(fence))
    }

    fn leave(&self, fence: Fence) -> Answer<'_, ()> {
        counted!(self, leave(fence))
    }

    fn cluster_time(&self) -> Answer<'_, Timestamp> {
        counted!(self, cluster_time())
    }

    fn set_cluster_time_offset(&self, offset_ms: i64) -> Answer<'_, ()> {
        counted!(self, set_cluster_time_offset(offset_ms))
    }
}

impl MessageStorage for Guarded {
    fn commit(&self, fence: Fence, batch: Arc<Batch>) -> Answer<'_, Committed> {
        Box::pin(async move {
            self.door.count("commit")?;
            self.door.pass(Side::Before, &batch).await?;
            let (inside, number) = (self.door.enter(), self.door.give());
            let committed = self.storage.commit(fence, batch.clone()).await?;
            self.door.change(|state| {
                state.outcomes += batch.outcomes.len();
                state.commits.push(batch.clone());
            });
            drop(inside);
            self.door.pass_as(Side::After, &batch, number).await?;
            Ok(committed)
        })
    }

    fn load_pending(&self, fence: Fence, scan: PendingScan) -> Answer<'_, Vec<PendingRequest>> {
        counted!(self, load_pending(fence, scan))
    }

    fn load_due(&self, fence: Fence, scan: DueScan) -> Answer<'_, Vec<PendingRequest>> {
        counted!(self, load_due(fence, scan))
    }

    fn load_kept_alive(&self, fence: Fence, scan: AliveScan) -> Answer<'_, Vec<StateKey>> {
        counted!(self, load_kept_alive(fence, scan))
    }

    fn find_requests(&self, ids: Vec<RequestId>) -> Answer<'_, Vec<Option<FoundRequest>>> {
        counted!(self, find_requests(ids))
    }

    fn find_keys(&self, digests: Vec<KeyDigest>) -> Answer<'_, Vec<Option<FoundRequest>>> {
        counted!(self, find_keys(digests))
    }

    fn load_states(&self, keys: Vec<StateKey>) -> Answer<'_, Vec<Option<StateRow>>> {
        counted!(self, load_states(keys))
    }

    fn dead_letters(&self, after: Seq, limit: usize) -> Answer<'_, Vec<DeadLetterRow>> {
        counted!(self, dead_letters(after, limit))
    }

    fn held(&self, after: Seq, limit: usize) -> BoxFuture<'_, Result<Vec<HeldRow>, StorageError>> {
        counted!(self, held(after, limit))
    }

    fn load_chunks(&self, scan: ChunkScan) -> BoxFuture<'_, Result<Vec<ChunkRow>, StorageError>> {
        counted!(self, load_chunks(scan))
    }

    fn inbox(&self, after: InboxNumber, limit: usize) -> Answer<'_, Vec<InboxRow>> {
        counted!(self, inbox(after, limit))
    }

    fn wish(&self, wishes: Vec<Wished>) -> Answer<'_, ()> {
        counted!(self, wish(wishes))
    }

    fn retire(&self, fence: Fence, scan: RetireScan) -> Answer<'_, Retired> {
        counted!(self, retire(fence, scan))
    }
}

impl EntityStorage for Guarded {
    fn find_reminders(&self, keys: Vec<ReminderKey>) -> Answer<'_, Vec<Option<ReminderRow>>> {
        counted!(self, find_reminders(keys))
    }

    fn requests_of(&self, scan: EntityScan) -> Answer<'_, Vec<EntityRequest>> {
        counted!(self, requests_of(scan))
    }
}

impl JournalStorage for Guarded {
    fn load_journal(&self, execution: Seq) -> BoxFuture<'_, Result<History, StorageError>> {
        counted!(self, load_journal(execution))
    }

    fn find_deferreds(&self, deferreds: Vec<DeferredId>) -> Answer<'_, Vec<Option<DeferredRow>>> {
        counted!(self, find_deferreds(deferreds))
    }
}

impl ContractStorage for Guarded {
    fn store_shapes(&self, shapes: Vec<ShapeRow>) -> BoxFuture<'_, Result<(), StorageError>> {
        counted!(self, store_shapes(shapes))
    }

    fn load_shape(&self, fingerprint: u64) -> Answer<'_, Option<ShapeRow>> {
        counted!(self, load_shape(fingerprint))
    }

    fn store_contracts(&self, contracts: Vec<ContractRow>) -> Answer<'_, ()> {
        counted!(self, store_contracts(contracts))
    }

    fn load_contracts(&self) -> BoxFuture<'_, Result<Vec<ContractRow>, StorageError>> {
        counted!(self, load_contracts())
    }
}
