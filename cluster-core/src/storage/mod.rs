//! What the runtime asks of a database, by role. The docs of these traits are contracts, and the
//! suite in [`crate::testing::suite`] runs them against any implementation.
//!
//! Only the owner of a shard writes its rows, and every write compares the owner's [`Fence`] in the
//! same transaction. All methods take and return batches.

mod alive;
mod batch;
mod chunks;
mod entity;
mod error;
mod faulty;
mod inbox;
mod journal;
mod limits;
mod memory;
mod ownership;
mod rows;
mod traits;
mod transaction;

pub use alive::{Alive, AliveScan, AliveWrite};
pub use batch::{Accepted, Batch, Committed, KnownRequest};
pub use chunks::{ChunkRow, ChunkScan, ChunkWrite, ChunksRead};
pub use entity::{
    EntityRequest, EntityScan, EntityStorage, ReminderKey, ReminderRow, ReminderWrite,
    RemovalWrite, Repeat,
};
pub use error::StorageError;
pub use faulty::{Fault, FaultCounts, Faults, FaultyStorage, Write};
pub use inbox::{InboxNumber, InboxRow, NoWish, Wish, Wished};
pub use journal::{
    DeferredId, DeferredKind, DeferredRow, History, JournalEntry, JournalKind, JournalStorage,
};
pub use limits::{PAYLOAD_BYTES_MAX_DEFAULT, RowLimits};
pub use memory::MemoryStorage;
pub use ownership::{
    Fence, JoinRequest, Joined, RUNNERS_LISTED, RunnerRow, ShardGroup, TakenShard,
};
pub use rows::{
    AttemptWrite, ContractRow, DeadLetterRow, DeadWrite, Due, DueScan, FoundRequest, HeldRow,
    HoldWrite, Kept, KeyRow, Missing, OutcomeKind, OutcomeRow, PageRoom, PendingRequest,
    PendingScan, RedriveFrom, RedriveWrite, RequestRow, RetentionClass, RetireScan, Retired,
    ShapeRow, StateKey, StateRow, StateWrite, StoredOutcome,
};
pub use traits::{ContractStorage, MessageStorage, OwnershipStorage, Storage};
pub use transaction::{Database, OpenTransaction, TransactionStorage};

/// A boxed future, so that storages can be trait objects.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
