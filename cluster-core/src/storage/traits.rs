//! The traits, by role.

use std::sync::Arc;
use std::time::Duration;

use super::alive::AliveScan;
use super::batch::{Batch, Committed};
use super::chunks::{ChunkRow, ChunkScan};
use super::entity::EntityStorage;
use super::inbox::{InboxNumber, InboxRow, Wished};
use super::journal::JournalStorage;
use super::limits::RowLimits;
use super::ownership::{Fence, JoinRequest, Joined, RunnerRow, TakenShard};
use super::rows::{
    ContractRow, DeadLetterRow, DueScan, FoundRequest, HeldRow, PendingRequest, PendingScan,
    RetireScan, Retired, ShapeRow, StateKey, StateRow,
};
use super::transaction::TransactionStorage;
use super::{BoxFuture, StorageError};
use crate::id::{KeyDigest, RequestId, Seq, ShardId};
use crate::time::{ClusterTime, Timestamp};

/// A whole storage. Implementations are shared by all tasks of a process.
///
/// Every future may be dropped at any await: the work is then done wholly or not at all, and which
/// of both is unknown.
pub trait Storage:
    OwnershipStorage + MessageStorage + JournalStorage + EntityStorage + ContractStorage
{
    /// The kind of the database in one lower-case word, for metrics and errors.
    fn kind(&self) -> &'static str;

    /// What it refuses as too large, where that is known before: a runner that would write more
    /// does not start.
    fn row_limits(&self) -> Option<RowLimits> {
        None
    }

    /// Whether two batches are written faster at the same time than one after the other: then up
    /// to two calls of [`MessageStorage::commit`] are under way, of which neither is built on the
    /// other, and users' transactions are open and commit beside them.
    fn writes_in_two(&self) -> bool {
        false
    }

    /// Users' own transactions, where the database has them.
    fn transactions(&self) -> Option<&dyn TransactionStorage> {
        None
    }
}

/// Runners, fences, shards, cluster settings, cluster time.
pub trait OwnershipStorage: Send + Sync + 'static {
    /// Makes a new incarnation with a live fence row and a lease, checks or stores the cluster's
    /// settings, and numbers the shard groups. Fences off every incarnation that can no longer be
    /// alive (in an embedded database: all earlier ones).
    ///
    /// After `UnknownOutcome` it may be called again: an incarnation that nobody came to know of
    /// writes nothing.
    ///
    /// # Errors
    /// `SettingDiffers` names the setting and both values; nothing was changed then.
    fn join(&self, request: JoinRequest) -> BoxFuture<'_, Result<Joined, StorageError>>;

    /// Renews the incarnation's lease: from now on it ends `lease` after the cluster time that is
    /// read in the same transaction, and that is returned. Its end is for others to judge whether
    /// the incarnation may be taken for dead: here nothing ends with it.
    ///
    /// It is a row of its own, not the one that the fence compares, and it goes through whatever
    /// writes for the runner: it is never a second writer beside the commits. Idempotent; after
    /// `UnknownOutcome` it may be called again, or left to the next renewal.
    ///
    /// # Errors
    /// `Fenced` when the fence does not hold; the end of the lease stays then.
    fn renew(
        &self,
        fence: Fence,
        lease: Duration,
    ) -> BoxFuture<'_, Result<ClusterTime, StorageError>>;

    /// The last [`RUNNERS_LISTED`](super::RUNNERS_LISTED) starts of runners, by incarnation.
    fn runners(&self) -> BoxFuture<'_, Result<Vec<RunnerRow>, StorageError>>;

    /// Takes shards that no live incarnation owns; each gets a higher epoch. Returns only those
    /// asked for that were taken or are owned by this incarnation already (their epoch stays).
    ///
    /// # Errors
    /// `Fenced` when the fence does not hold.
    fn take_shards(
        &self,
        fence: Fence,
        shards: Vec<ShardId>,
    ) -> BoxFuture<'_, Result<Vec<TakenShard>, StorageError>>;

    /// The highest `seq` ever given to a stored request: a new owner starts above it.
    fn highest_seq(&self) -> BoxFuture<'_, Result<Seq, StorageError>>;

    /// Raises the incarnation's fence number by one. Waits for or ends every transaction under the
    /// old number: when this returns, none of them will commit any more, and what has committed can
    /// be read.
    ///
    /// # Errors
    /// `Fenced` when the given fence does not hold. After `UnknownOutcome` call it again with the
    /// same fence: it succeeds when the number stands at the given one or one above.
    fn raise_fence(&self, fence: Fence) -> BoxFuture<'_, Result<Fence, StorageError>>;

    /// Ends the incarnation, whatever its fence number: its fence holds no more and its shards are
    /// free. Idempotent.
    fn leave(&self, fence: Fence) -> BoxFuture<'_, Result<(), StorageError>>;

    /// Cluster time: the database's clock plus the stored offset.
    fn cluster_time(&self) -> BoxFuture<'_, Result<Timestamp, StorageError>>;

    /// Sets how many milliseconds cluster time is ahead of the database's clock, for every process
    /// that uses the database; zero at first. For tests. It sets and does not add, so that it may
    /// be called again after `UnknownOutcome`.
    fn set_cluster_time_offset(&self, offset_ms: i64) -> BoxFuture<'_, Result<(), StorageError>>;
}

/// Requests, outcomes, states.
pub trait MessageStorage: Send + Sync + 'static {
    /// Writes a batch in one transaction, after comparing the fence in it; so does an empty one,
    /// by which an owner confirms that it is one.
    ///
    /// Order: requests are accepted in the order of the batch, and chunks are stored before
    /// requests finish. A request whose id or key is known is not stored and reported as such; the
    /// rest of the batch is written all the same.
    ///
    /// A request is in one of five places: pending, due at a time, held, with the dead letters, or
    /// finished; the first three are those that wait. An outcome finishes one that waits or is
    /// dead; attempts count, and a death or a hold is written, only for one that waits; a redrive
    /// moves one that stands where it says. Anything else changes nothing: a finished request keeps
    /// its first outcome, a row for a request that is not stored is dropped.
    ///
    /// An attempt moves a request to those that are due, unless it stays in order. What a batch
    /// says of one request it says in the order: outcomes, attempts, deaths, holds, redrives.
    ///
    /// An entry of a journal is written at its position once: where another one stands, nothing of
    /// the batch is written. The first completion of a deferred holds, a later one changes nothing;
    /// one for an execution that is finished, or not stored, is dropped.
    ///
    /// A removal forgets a request wherever it stands; it still counts for
    /// [`highest_seq`](OwnershipStorage::highest_seq). Removals are the last that a batch says of
    /// requests.
    ///
    /// Chunks are stored for a request that waits; others change nothing, and neither does a chunk
    /// of a number that is stored or was removed. What was read goes, but for the last one of it.
    ///
    /// Rows of the inbox that are taken go; those that are gone are gone.
    ///
    /// Idempotence: writing the same batch again, also under a raised fence, changes nothing and
    /// reports the same, except that outcomes of known requests may have come since. For that a
    /// state that already has version `to` and the same payload counts as written.
    ///
    /// # Errors
    /// `Unavailable`, `Fenced`, `StateConflict`, `JournalConflict`, `TooLarge`: nothing was
    /// written. `UnknownOutcome`: all or nothing was; raise the fence and write the same batch
    /// again.
    fn commit(
        &self,
        fence: Fence,
        batch: Arc<Batch>,
    ) -> BoxFuture<'_, Result<Committed, StorageError>>;

    /// Loads pending requests of the shards that the incarnation owns, in the order of their `seq`,
    /// each once. Finished, held and dead ones are left out, and those that are due at a time,
    /// overdue or not. Uses an index also at millions of finished rows.
    ///
    /// # Errors
    /// `Fenced` when the fence does not hold.
    fn load_pending(
        &self,
        fence: Fence,
        scan: PendingScan,
    ) -> BoxFuture<'_, Result<Vec<PendingRequest>, StorageError>>;

    /// Loads requests of the shards that the incarnation owns that are due at a time, in the order
    /// of [`Due`](super::Due), each once, overdue ones first. Uses an index.
    ///
    /// # Errors
    /// `Fenced` when the fence does not hold.
    fn load_due(
        &self,
        fence: Fence,
        scan: DueScan,
    ) -> BoxFuture<'_, Result<Vec<PendingRequest>, StorageError>>;

    /// Loads entities of the shards that the incarnation owns that are kept alive, by type and id
    /// as bytes, each once; a page of fewer than asked for is the last.
    ///
    /// # Errors
    /// `Fenced` when the fence does not hold.
    fn load_kept_alive(
        &self,
        fence: Fence,
        scan: AliveScan,
    ) -> BoxFuture<'_, Result<Vec<StateKey>, StorageError>>;

    /// Finds requests by id; the answers stand in the order of the question.
    fn find_requests(
        &self,
        ids: Vec<RequestId>,
    ) -> BoxFuture<'_, Result<Vec<Option<FoundRequest>>, StorageError>>;

    /// Finds requests by their keys; the answers stand in the order of the question. Uses an index.
    /// Whoever asks compares scope and key itself, as digests of different keys may be equal.
    fn find_keys(
        &self,
        digests: Vec<KeyDigest>,
    ) -> BoxFuture<'_, Result<Vec<Option<FoundRequest>>, StorageError>>;

    /// Loads states; the answers stand in the order of the question.
    fn load_states(
        &self,
        keys: Vec<StateKey>,
    ) -> BoxFuture<'_, Result<Vec<Option<StateRow>>, StorageError>>;

    /// Lists dead letters in the order of their `seq`, after the given one, at most `limit`.
    fn dead_letters(
        &self,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<DeadLetterRow>, StorageError>>;

    /// Loads a page of a stream's chunks in the order of their numbers.
    fn load_chunks(&self, scan: ChunkScan) -> BoxFuture<'_, Result<Vec<ChunkRow>, StorageError>>;

    /// Lists held requests in the order of their `seq`, after the given one, at most `limit`.
    fn held(&self, after: Seq, limit: usize) -> BoxFuture<'_, Result<Vec<HeldRow>, StorageError>>;

    /// Lists what stands in the inbox in the order of the numbers, after the given one, at most
    /// `limit` rows. Whoever wants to see all begins anew each time: a row may be committed after
    /// one of a higher number was read.
    fn inbox(
        &self,
        after: InboxNumber,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<InboxRow>, StorageError>>;

    /// Writes into the inbox, as any tool may with a statement of its own. Needs no fence. Made
    /// again after `UnknownOutcome` the rows may be there twice.
    fn wish(&self, wishes: Vec<Wished>) -> BoxFuture<'_, Result<(), StorageError>>;

    /// Removes finished requests that are past their age, and the journals of those that are
    /// executions, in one bounded transaction. Never removes
    /// what is pending, due later, held or dead, nor a derived one whose outer request is still
    /// there.
    ///
    /// # Errors
    /// `Fenced` when the fence does not hold.
    fn retire(
        &self,
        fence: Fence,
        scan: RetireScan,
    ) -> BoxFuture<'_, Result<Retired, StorageError>>;
}

/// Shapes and names of messages, for tools and for reading what older programs wrote.
pub trait ContractStorage: Send + Sync + 'static {
    /// Stores shapes that are not stored yet. Idempotent; needs no fence: the row of a fingerprint
    /// never changes.
    ///
    /// # Errors
    /// `ShapeCollision` when a fingerprint is stored with other bytes.
    fn store_shapes(&self, shapes: Vec<ShapeRow>) -> BoxFuture<'_, Result<(), StorageError>>;

    /// The shape of a fingerprint.
    fn load_shape(&self, fingerprint: u64)
    -> BoxFuture<'_, Result<Option<ShapeRow>, StorageError>>;

    /// Stores or replaces what is known of messages, one row for each type and name.
    fn store_contracts(
        &self,
        contracts: Vec<ContractRow>,
    ) -> BoxFuture<'_, Result<(), StorageError>>;

    /// All known messages, sorted by type and name, as bytes.
    fn load_contracts(&self) -> BoxFuture<'_, Result<Vec<ContractRow>, StorageError>>;
}
