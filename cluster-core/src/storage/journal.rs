//! Histories of workflow executions.

use std::sync::Arc;

use bytes::Bytes;

use super::{BoxFuture, StorageError};
use crate::id::{Epoch, RequestId, Seq, ShardId};
use crate::time::Timestamp;

/// Histories of executions. An execution is a persisted request, and its `seq` names it here. What
/// is written of it stands in a [`Batch`](super::Batch): so it is fenced, and committed together
/// with whatever else the batch holds, such as the execution's outcome.
pub trait JournalStorage: Send + Sync + 'static {
    /// Everything that is stored of an execution, on one snapshot and with one query, whose cost
    /// grows with the history alone. Nothing is stored of an execution that has not begun, that is
    /// not known, or that retention has removed.
    fn load_journal(&self, execution: Seq) -> BoxFuture<'_, Result<History, StorageError>>;

    /// Finds completions of deferreds; the answers stand in the order of the question.
    fn find_deferreds(
        &self,
        deferreds: Vec<DeferredId>,
    ) -> BoxFuture<'_, Result<Vec<Option<DeferredRow>>, StorageError>>;
}

/// What is stored of one execution.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// What happened, in order: by position, without gaps from zero on.
    pub entries: Vec<JournalEntry>,
    /// Deferreds that were completed, sorted by name and occurrence.
    pub deferreds: Vec<DeferredRow>,
}

/// One event of an execution's history. Never changed afterwards; goes with the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// The `seq` of the execution's request.
    pub execution: Seq,
    /// Its place in the history. Only the execution's owner gives places.
    pub position: u32,
    /// The execution's shard.
    pub shard: ShardId,
    /// The epoch of the shard's ownership in which it is written.
    pub epoch: Epoch,
    /// What happened.
    pub kind: JournalKind,
    /// The name of the step, sleep or deferred.
    pub name: Arc<str>,
    /// Which of those of its kind and name, counted from one in the order in which they were made.
    pub occurrence: u32,
    /// When, in cluster time.
    pub recorded_at: Timestamp,
    /// When a sleep ends, in cluster time; `None` for everything else.
    pub due_at: Option<Timestamp>,
    /// The encoded result of a step, with format and fingerprint; empty for everything else.
    pub payload: Bytes,
}

/// What an entry tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum JournalKind {
    /// A step ended with a result.
    StepEnded = 0,
    /// A sleep began; it ends at its `due_at`.
    SleepBegan = 1,
    /// A sleep ended.
    SleepEnded = 2,
    /// The completion of a deferred was handed to the execution.
    DeferredTaken = 3,
}

impl JournalKind {
    /// All kinds, in the order of their stored numbers.
    pub const ALL: [JournalKind; 4] =
        [Self::StepEnded, Self::SleepBegan, Self::SleepEnded, Self::DeferredTaken];

    /// The stored number.
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// Reads the stored number.
    pub fn from_u8(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// What names a deferred.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeferredId {
    /// The `seq` of the execution's request.
    pub execution: Seq,
    /// The name of the deferred.
    pub name: Arc<str>,
    /// Which of those of its name, counted from one in the order in which they were made.
    pub occurrence: u32,
}

/// The completion of a deferred: a value that an execution gets from outside. The first one holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeferredRow {
    /// Which deferred.
    pub deferred: DeferredId,
    /// The id of this completion, by which its maker finds out whether it was the first.
    pub id: RequestId,
    /// The execution's shard.
    pub shard: ShardId,
    /// The epoch of the shard's ownership in which it is written.
    pub epoch: Epoch,
    /// What the payload is.
    pub kind: DeferredKind,
    /// When it was completed, in cluster time.
    pub completed_at: Timestamp,
    /// The encoded value, with format and fingerprint, or the reason as UTF-8.
    pub payload: Bytes,
}

/// How a deferred was completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum DeferredKind {
    /// With a value.
    Value = 0,
    /// Without one, for a reason.
    Failed = 1,
}

impl DeferredKind {
    /// The stored number.
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// Reads the stored number.
    pub fn from_u8(number: u8) -> Option<Self> {
        [Self::Value, Self::Failed].get(usize::from(number)).copied()
    }
}
