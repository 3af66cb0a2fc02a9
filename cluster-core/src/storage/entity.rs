//! What stands of one entity: its reminders, and all of its requests.

use std::time::Duration;

use super::rows::StateKey;
use super::{BoxFuture, StorageError};
use crate::id::{Epoch, MessageTag, RequestId, Seq, ShardId};
use crate::time::Timestamp;

/// How often a reminder comes. Stored with each of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Once.
    Once,
    /// Again and again, so long after the time at which the one before was due. Whole
    /// milliseconds, and more than none.
    Every(Duration),
}

impl Repeat {
    /// The stored number: the period in milliseconds, zero for a reminder that comes once.
    pub fn as_ms(self) -> i64 {
        match self {
            Repeat::Once => 0,
            Repeat::Every(period) => i64::try_from(period.as_millis()).unwrap_or(i64::MAX).max(1),
        }
    }

    /// Reads the stored number.
    pub fn from_ms(ms: i64) -> Option<Self> {
        let ms = u64::try_from(ms).ok()?;
        Some(if ms == 0 { Repeat::Once } else { Repeat::Every(Duration::from_millis(ms)) })
    }

    /// When the one after that which was due at this time is due: the first of its times that has
    /// not come. Those that were missed are left out.
    pub fn next(self, due: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let Repeat::Every(_) = self else { return None };
        let period = self.as_ms();
        let passed = now.unix_ms().saturating_sub(due.unix_ms()).max(0) / period;
        let ahead = period.saturating_mul(passed.saturating_add(1));
        Some(Timestamp::from_unix_ms(due.unix_ms().saturating_add(ahead)))
    }
}

/// Which reminder: an entity has one for each of its messages.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReminderKey {
    /// Whose.
    pub entity: StateKey,
    /// Which message.
    pub message: MessageTag,
}

/// A reminder that is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReminderRow {
    /// The place of the request that comes next.
    pub occurrence: Seq,
    /// The id of that request.
    pub request: RequestId,
}

/// What a reminder is from now on.
#[derive(Debug, Clone)]
pub struct ReminderWrite {
    /// Which.
    pub key: ReminderKey,
    /// The epoch of the shard's ownership in which it is written.
    pub epoch: Epoch,
    /// Its next request; `None`: it is not set any more.
    pub to: Option<ReminderRow>,
}

/// A request that is to be forgotten, wherever it stands: with its outcome, its key, its attempts
/// and its journal.
#[derive(Debug, Clone, Copy)]
pub struct RemovalWrite {
    /// The request.
    pub seq: Seq,
    /// Its shard.
    pub shard: ShardId,
}

/// Which requests of an entity to list.
#[derive(Debug, Clone)]
pub struct EntityScan {
    /// Whose.
    pub entity: StateKey,
    /// Only those accepted after this one.
    pub after: Seq,
    /// At most this many.
    pub limit: usize,
}

/// A request of an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntityRequest {
    /// Its place in the owner's order.
    pub seq: Seq,
    /// Its id.
    pub id: RequestId,
    /// Whether it has an outcome.
    pub finished: bool,
}

/// What is stored of single entities. It is written with [`Batch::reminders`],
/// [`Batch::removals`] and [`Batch::forgotten`].
///
/// [`Batch::reminders`]: super::Batch::reminders
/// [`Batch::removals`]: super::Batch::removals
/// [`Batch::forgotten`]: super::Batch::forgotten
pub trait EntityStorage: Send + Sync + 'static {
    /// Finds reminders; the answers stand in the order of the question. Uses an index.
    fn find_reminders(
        &self,
        keys: Vec<ReminderKey>,
    ) -> BoxFuture<'_, Result<Vec<Option<ReminderRow>>, StorageError>>;

    /// Lists the requests of an entity, wherever they stand, in the order of their `seq`. Uses an
    /// index; it may look at requests of other entities, but not at most of all.
    fn requests_of(
        &self,
        scan: EntityScan,
    ) -> BoxFuture<'_, Result<Vec<EntityRequest>, StorageError>>;
}
