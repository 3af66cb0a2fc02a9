//! One transaction of the committer.

use bytes::Bytes;

use super::alive::AliveWrite;
use super::chunks::{ChunkWrite, ChunksRead};
use super::entity::{ReminderWrite, RemovalWrite};
use super::inbox::InboxNumber;
use super::journal::{DeferredRow, JournalEntry};
use super::rows::{
    AttemptWrite, DeadWrite, HoldWrite, Missing, OutcomeRow, RedriveWrite, RequestRow, StateKey,
    StateWrite, StoredOutcome,
};
use crate::id::{RequestId, Seq};

/// Everything that one transaction writes. Wholly or not at all.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Requests to accept, in order of their `seq`.
    pub accepts: Vec<RequestRow>,
    /// Ends of requests. They leave the pending ones, and their attempt rows go.
    pub outcomes: Vec<OutcomeRow>,
    /// Changed states; at most one for each entity.
    pub states: Vec<StateWrite>,
    /// Failed attempts.
    pub attempts: Vec<AttemptWrite>,
    /// Requests given up.
    pub dead: Vec<DeadWrite>,
    /// What happened in executions; those of one execution in the order of their positions.
    pub journal: Vec<JournalEntry>,
    /// Completions of deferreds.
    pub deferreds: Vec<DeferredRow>,
    /// Requests held.
    pub holds: Vec<HoldWrite>,
    /// Requests that shall run again.
    pub redrives: Vec<RedriveWrite>,
    /// What reminders are from now on; at most one for each.
    pub reminders: Vec<ReminderWrite>,
    /// Requests to forget.
    pub removals: Vec<RemovalWrite>,
    /// Entities whose states and reminders are forgotten. No state or reminder of them is written
    /// by the same batch.
    pub forgotten: Vec<StateKey>,
    /// Entities that are kept alive from now on, or not any more; the last word of each counts.
    pub alive: Vec<AliveWrite>,
    /// Chunks of streams.
    pub chunks: Vec<ChunkWrite>,
    /// Chunks that were read.
    pub chunks_read: Vec<ChunksRead>,
    /// Rows of the inbox for which everything is done.
    pub taken: Vec<InboxNumber>,
}

impl Batch {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.accepts.is_empty()
            && self.outcomes.is_empty()
            && self.states.is_empty()
            && self.attempts.is_empty()
            && self.dead.is_empty()
            && self.journal.is_empty()
            && self.deferreds.is_empty()
            && self.holds.is_empty()
            && self.redrives.is_empty()
            && self.reminders.is_empty()
            && self.removals.is_empty()
            && self.forgotten.is_empty()
            && self.alive.is_empty()
            && self.chunks.is_empty()
            && self.chunks_read.is_empty()
            && self.taken.is_empty()
    }
}

/// What a committed batch found.
#[derive(Debug, Clone, Default)]
pub struct Committed {
    /// For each entry of [`Batch::accepts`], in order.
    pub accepts: Vec<Accepted>,
}

/// What became of one request to accept.
#[derive(Debug, Clone)]
pub enum Accepted {
    /// It is stored under the `seq` it came with (by this call, or by an earlier one of the same
    /// batch whose outcome was unknown).
    New,
    /// A request of this id, with the same entity, message, key and arguments, was accepted before
    /// under another `seq`. Nothing was stored.
    SameId(KnownRequest),
    /// A request of this key in the same scope was accepted before. Nothing was stored; the caller
    /// of this storage compares the arguments.
    SameKey(KnownRequest),
    /// The id, or the digest of the key, is that of a different request. Nothing was stored: an
    /// error for its caller.
    IdCollision,
}

impl Accepted {
    /// The request that was there before.
    pub(crate) fn known_mut(&mut self) -> Option<&mut KnownRequest> {
        match self {
            Accepted::SameId(known) | Accepted::SameKey(known) => Some(known),
            Accepted::New | Accepted::IdCollision => None,
        }
    }
}

/// A request that was there before.
#[derive(Debug, Clone)]
pub struct KnownRequest {
    /// Its place in the owner's order.
    pub seq: Seq,
    /// Its id.
    pub id: RequestId,
    /// Its encoded arguments.
    pub arguments: Bytes,
    /// Its outcome, if it has one.
    pub outcome: Option<StoredOutcome>,
    /// Whether it is a dead letter.
    pub dead: bool,
    /// Whether it is held, and for want of what.
    pub held: Option<Missing>,
}
