//! What one handler asks to have committed, and how it learns of it.

use std::fmt;
use std::sync::Arc;

use super::reminders::ReminderIntent;
use crate::id::Seq;
use crate::storage::{
    Accepted, AliveWrite, AttemptWrite, ChunkWrite, ChunksRead, DeadWrite, DeferredRow, HoldWrite,
    InboxNumber, JournalEntry, OutcomeRow, RedriveWrite, RemovalWrite, RequestRow, StateKey,
    StateWrite, StorageError,
};

/// The line of commits of one entity instance. When a commit of it fails, everything built upon it
/// fails as well: the generation has moved on.
pub(crate) trait Lineage: Send + Sync {
    /// The generation of the instance; a unit of another one must not be committed.
    fn generation(&self) -> u32;

    /// Whether a request of the entity has left its mailbox and not ended: it runs or is being
    /// committed.
    fn has_out(&self, request: Seq) -> bool;
}

/// The writes of one unit. They are committed together or not at all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Writes {
    /// Requests to accept; their `seq` is set by the committer.
    pub(crate) accepts: Vec<RequestRow>,
    pub(crate) outcome: Option<OutcomeRow>,
    pub(crate) state: Option<StateWrite>,
    /// The storage is asked whether the fence holds, though nothing may be written.
    pub(crate) confirm: bool,
    /// What few units write. Apart, for units are moved a lot.
    pub(crate) rare: Option<Box<Rare>>,
}

/// The writes that few units have.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rare {
    pub(crate) attempt: Option<AttemptWrite>,
    pub(crate) dead: Option<DeadWrite>,
    pub(crate) journal: Vec<JournalEntry>,
    pub(crate) deferred: Option<DeferredRow>,
    pub(crate) hold: Option<HoldWrite>,
    pub(crate) redrive: Option<RedriveWrite>,
    /// In the order in which they hold. Those that set and clear belong to the unit of an instance
    /// of their entity.
    pub(crate) reminders: Vec<ReminderIntent>,
    pub(crate) removals: Vec<RemovalWrite>,
    pub(crate) forgotten: Option<StateKey>,
    pub(crate) alive: Option<AliveWrite>,
    pub(crate) chunks: Vec<ChunkWrite>,
    pub(crate) chunks_read: Option<ChunksRead>,
    pub(crate) taken: Option<InboxNumber>,
}

impl Writes {
    /// One request to accept.
    pub(crate) fn accept(row: RequestRow) -> Self {
        Writes { accepts: vec![row], ..Writes::default() }
    }

    /// Nothing but these.
    pub(crate) fn rare(rare: Rare) -> Self {
        Writes { rare: rare.boxed(), ..Writes::default() }
    }

    /// What it says of reminders, in the order in which it holds.
    pub(crate) fn reminders(&self) -> &[ReminderIntent] {
        self.rare.as_ref().map_or(&[], |rare| &rare.reminders)
    }

    /// A unit without writes is a barrier: it completes when all before it have, and if it is to be
    /// confirmed, when the storage says that this runner is still the owner.
    pub(crate) fn is_empty(&self) -> bool {
        let frequent = self.accepts.is_empty() && self.outcome.is_none() && self.state.is_none();
        frequent && self.is_frequent()
    }

    /// Whether it only accepts requests, ends one, or changes a state: what nearly every unit does.
    pub(crate) fn is_frequent(&self) -> bool {
        self.rare.as_ref().is_none_or(|rare| rare.is_empty())
    }

    /// Whether it ends a request or changes a state, and no more.
    pub(crate) fn is_end(&self) -> bool {
        let ends = self.outcome.is_some() || self.state.is_some();
        ends && self.accepts.is_empty() && self.is_frequent() && !self.confirm
    }

    /// Whether nothing of it need reach the storage.
    pub(crate) fn asks_nothing(&self) -> bool {
        self.is_empty() && !self.confirm
    }

    /// How many bytes of payloads, headers and texts of errors there are.
    pub(crate) fn bytes(&self) -> usize {
        let accepts: usize = self.accepts.iter().map(RequestRow::bytes).sum();
        accepts
            + self.outcome.as_ref().map_or(0, |row| row.outcome.payload.len())
            + self.state.as_ref().map_or(0, |write| write.payload.len())
            + self.rare.as_ref().map_or(0, |rare| rare.bytes())
    }
}

impl Rare {
    /// For a unit; `None` if there is nothing.
    pub(crate) fn boxed(self) -> Option<Box<Self>> {
        (!self.is_empty()).then(|| Box::new(self))
    }

    fn is_empty(&self) -> bool {
        self.attempt.is_none()
            && self.dead.is_none()
            && self.journal.is_empty()
            && self.deferred.is_none()
            && self.hold.is_none()
            && self.redrive.is_none()
            && self.reminders.is_empty()
            && self.removals.is_empty()
            && self.forgotten.is_none()
            && self.alive.is_none()
            && self.chunks.is_empty()
            && self.chunks_read.is_none()
            && self.taken.is_none()
    }

    fn bytes(&self) -> usize {
        self.attempt.as_ref().map_or(0, |write| write.error.len())
            + self.dead.as_ref().map_or(0, |write| write.error.len())
            + self.journal.iter().map(|entry| entry.payload.len()).sum::<usize>()
            + self.deferred.as_ref().map_or(0, |row| row.payload.len())
            + self.reminders.iter().map(ReminderIntent::bytes).sum::<usize>()
            + self.hold.as_ref().map_or(0, |write| write.missing.as_parts().1.len())
            + self.chunks.iter().map(|chunk| chunk.payload.len()).sum::<usize>()
    }
}

/// Why a unit was not committed.
#[derive(Debug, Clone)]
pub(crate) enum CommitFailure {
    /// The storage failed; surely nothing was written, unless it says `UnknownOutcome`.
    Storage(StorageError),
    /// An earlier commit of the same instance failed.
    Superseded,
    /// The committer has ended.
    Stopped,
}

/// What a unit's maker is told: what became of each of its accepts, in order.
pub(crate) type Completion =
    Box<dyn FnOnce(Result<Vec<(RequestRow, Accepted)>, CommitFailure>) + Send>;

/// Something to commit.
pub(crate) struct Unit {
    pub(crate) writes: Writes,
    /// The instance it belongs to and the generation it was built on.
    pub(crate) lineage: Option<(Arc<dyn Lineage>, u32)>,
    pub(crate) complete: Completion,
    /// How many rows of the running batch are this unit's; set by the committer.
    pub(super) accepts: usize,
    /// Whether one of its outcomes is; set by the committer.
    pub(super) ends: bool,
    /// Of its writes, while it waits; set by the committer.
    pub(super) bytes: usize,
}

impl Unit {
    /// A unit that belongs to no instance: a request to accept.
    pub(crate) fn new(writes: Writes, complete: Completion) -> Self {
        Unit { writes, lineage: None, complete, accepts: 0, ends: false, bytes: 0 }
    }

    /// A unit that is void once the instance has left the given generation.
    pub(crate) fn of(
        line: Arc<dyn Lineage>,
        generation: u32,
        writes: Writes,
        complete: Completion,
    ) -> Self {
        Unit {
            writes,
            lineage: Some((line, generation)),
            complete,
            accepts: 0,
            ends: false,
            bytes: 0,
        }
    }

    /// Whether an earlier commit of its instance has failed.
    pub(crate) fn is_superseded(&self) -> bool {
        self.lineage.as_ref().is_some_and(|(line, generation)| line.generation() != *generation)
    }
}

impl fmt::Debug for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unit").field("writes", &self.writes).finish_non_exhaustive()
    }
}
