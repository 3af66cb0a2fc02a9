//! What the reference storage holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use crate::id::{
    EntityId, Epoch, FenceNumber, Incarnation, KeyDigest, MachineId, RequestId, Seq, ShardCount,
    ShardId,
};
use crate::storage::chunks::ChunkRow;
use crate::storage::entity::{ReminderKey, ReminderRow};
use crate::storage::inbox::{InboxNumber, Wished};
use crate::storage::journal::{DeferredId, DeferredRow, JournalEntry};
use crate::storage::rows::{
    ContractRow, Due, Missing, RequestRow, ShapeRow, StateKey, StateRow, StoredOutcome,
};
use crate::storage::{Fence, StorageError};
use crate::time::{Clock, ClusterTime, Timestamp};

/// Everything of one cluster. Guarded by the one mutex of its handles, which makes every call a
/// transaction; a call checks everything before it changes anything, so none needs undoing.
#[derive(Debug, Default)]
pub(super) struct Store {
    /// Shard count and hash version, once the first runner has joined.
    pub(super) settings: Option<(ShardCount, u32)>,
    /// Names of shard groups; a group's number is its place.
    pub(super) groups: Vec<Arc<str>>,
    pub(super) last_incarnation: Incarnation,
    /// Fences of live incarnations; one that is not here holds no more.
    pub(super) fences: BTreeMap<Incarnation, FenceNumber>,
    /// The last starts of runners.
    pub(super) runners: BTreeMap<Incarnation, Runner>,
    pub(super) shards: BTreeMap<ShardId, Shard>,
    pub(super) time_offset_ms: i64,
    /// What retention has reached; set by the first join.
    pub(super) reached: Option<Timestamp>,
    /// Also counts requests that are gone.
    pub(super) highest_seq: Seq,
    pub(super) requests: BTreeMap<Seq, Request>,
    /// Chunks of streams, by request and number.
    pub(super) chunks: BTreeMap<(Seq, u64), ChunkRow>,
    /// Those whose place is [`Place::Pending`].
    pub(super) pending: BTreeSet<Seq>,
    /// Those whose place is [`Place::Due`].
    pub(super) due: BTreeSet<Due>,
    /// Those whose place is [`Place::Held`].
    pub(super) held: BTreeSet<Seq>,
    /// Those whose place is [`Place::Dead`].
    pub(super) dead: BTreeSet<Seq>,
    pub(super) ids: HashMap<RequestId, Seq>,
    pub(super) keys: HashMap<KeyDigest, Seq>,
    /// By execution and position.
    pub(super) journal: BTreeMap<(Seq, u32), JournalEntry>,
    pub(super) deferreds: BTreeMap<DeferredId, DeferredRow>,
    pub(super) states: HashMap<StateKey, StateRow>,
    pub(super) reminders: HashMap<ReminderKey, ReminderRow>,
    /// The shards of entities that are kept alive.
    pub(super) alive: BTreeMap<(Arc<str>, EntityId), ShardId>,
    pub(super) inbox: BTreeMap<InboxNumber, Wished>,
    /// The number of the row that came last.
    pub(super) last_wish: i64,
    pub(super) shapes: BTreeMap<u64, Bytes>,
    /// By type and name.
    pub(super) contracts: BTreeMap<(Arc<str>, Arc<str>), ContractRow>,
}

/// A start of a runner.
#[derive(Debug)]
pub(super) struct Runner {
    pub(super) machine: MachineId,
    pub(super) advertised: String,
    pub(super) joined_at: Timestamp,
    pub(super) lease_ends_at: Timestamp,
}

/// Who owns a shard.
#[derive(Debug, Default)]
pub(super) struct Shard {
    pub(super) owner: Option<Incarnation>,
    pub(super) epoch: Epoch,
}

/// A request and where it stands.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) row: RequestRow,
    pub(super) place: Place,
}

/// Where a request stands: in exactly one of these.
#[derive(Debug)]
pub(super) enum Place {
    Pending { attempts: u32, retry_at: Option<Timestamp> },
    Due { attempts: u32, at: Timestamp },
    Held { attempts: u32, held_at: Timestamp, missing: Missing },
    Dead { attempts: u32, error: String, died_at: Timestamp },
    Finished { outcome: StoredOutcome, finished_at: Timestamp },
}

impl Store {
    pub(super) fn cluster_time(&self, clock: &Clock) -> ClusterTime {
        ClusterTime::of(clock.wall(), self.time_offset_ms)
    }

    /// Says whether the fence holds, as every write must.
    pub(super) fn check(&self, fence: Fence) -> Result<(), StorageError> {
        match self.fences.get(&fence.incarnation) {
            Some(number) if *number == fence.number => Ok(()),
            _ => Err(fence.lost()),
        }
    }

    pub(super) fn store_shapes(&mut self, shapes: &[ShapeRow]) -> Result<(), StorageError> {
        let mut new: BTreeMap<u64, Bytes> = BTreeMap::new();
        for ShapeRow { fingerprint, shape } in shapes {
            match self.shapes.get(fingerprint).or_else(|| new.get(fingerprint)) {
                None => _ = new.insert(*fingerprint, shape.clone()),
                Some(known) if known == shape => {}
                Some(_) => {
                    return Err(StorageError::ShapeCollision { fingerprint: *fingerprint });
                }
            }
        }
        self.shapes.append(&mut new);
        Ok(())
    }
}
