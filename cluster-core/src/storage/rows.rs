//! Rows as the runtime sees them, whatever tables a database keeps them in.

use std::sync::Arc;

use bytes::Bytes;

use super::entity::Repeat;
use crate::id::{
    EntityId, Epoch, Key, KeyDigest, MessageTag, RequestId, Seq, ShardId, StateVersion,
};
use crate::message::{Headers, TraceContext};
use crate::time::Timestamp;

/// A persisted request as its owner accepts it. Never changed afterwards.
#[derive(Debug, Clone)]
pub struct RequestRow {
    /// The owner's order; the clustering key.
    pub seq: Seq,
    /// The entity's shard.
    pub shard: ShardId,
    /// The epoch under which it was accepted.
    pub epoch: Epoch,
    /// The caller's id; unique.
    pub id: RequestId,
    /// The entity's type.
    pub entity_type: Arc<str>,
    /// The entity's id.
    pub entity_id: EntityId,
    /// Which message.
    pub message: MessageTag,
    /// The caller's idempotency key; only keyed requests enter the unique index.
    pub key: Option<KeyRow>,
    /// The encoded arguments, with format and fingerprint.
    pub arguments: Bytes,
    /// The caller's headers.
    pub headers: Headers,
    /// The caller's trace.
    pub trace: Option<TraceContext>,
    /// How long it is kept once finished.
    pub class: RetentionClass,
    /// The request whose handler made this one, if it was made by a handler.
    pub outer: Option<RequestId>,
    /// When it was accepted, in cluster time.
    pub accepted_at: Timestamp,
    /// Not to be started before, in cluster time; `None`: at once.
    pub due_at: Option<Timestamp>,
    /// How often it comes, if it is a reminder's.
    pub reminder: Option<Repeat>,
}

impl RequestRow {
    /// How many bytes its arguments and headers have: what counts for limits of many requests.
    pub fn bytes(&self) -> usize {
        self.arguments.len() + self.headers.bytes()
    }

    /// Whether both are the same request: the same entity, message, key and arguments. Only then
    /// may they have the same id.
    pub fn is_same_request(&self, other: &RequestRow) -> bool {
        self.entity_type == other.entity_type
            && self.entity_id == other.entity_id
            && self.message == other.message
            && self.key == other.key
            && self.arguments == other.arguments
    }

    /// Whether both have the same key in the same scope: entity type, entity id and message. The
    /// full key is compared, whatever the digests say.
    pub fn has_key_of(&self, other: &RequestRow) -> bool {
        let keys = (self.key.as_ref(), other.key.as_ref());
        matches!(keys, (Some(ours), Some(theirs)) if ours.key == theirs.key)
            && self.entity_type == other.entity_type
            && self.entity_id == other.entity_id
            && self.message == other.message
    }
}

/// A key as it is stored: the full text is compared, the digest is only how it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// The digest in the unique index.
    pub digest: KeyDigest,
    /// The key itself.
    pub key: Key,
}

/// How long a finished request is kept. Stored with it when it is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RetentionClass {
    /// Its caller waited for it.
    Awaited = 0,
    /// It was handed over with `send`; its outcome may be asked for later.
    Sent = 1,
    /// It has a key: kept for the deduplication window.
    Keyed = 2,
    /// Its key was derived inside another request: kept as long as that one.
    Derived = 3,
    /// It is the run of a workflow's execution.
    Execution = 4,
}

impl RetentionClass {
    /// All classes, in the order of their stored numbers.
    pub const ALL: [RetentionClass; Self::COUNT] =
        [Self::Awaited, Self::Sent, Self::Keyed, Self::Derived, Self::Execution];

    /// How many there are.
    pub const COUNT: usize = 5;

    /// The stored number.
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// Reads the stored number.
    pub fn from_u8(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OutcomeKind {
    /// The handler's value.
    Ok = 0,
    /// The handler's own error.
    Err = 1,
    /// A cluster error in its wire form: a stored defect, or a limit.
    Failed = 2,
    /// It was cancelled.
    Interrupted = 3,
}

impl OutcomeKind {
    /// The stored number.
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// Reads the stored number.
    pub fn from_u8(number: u8) -> Option<Self> {
        [Self::Ok, Self::Err, Self::Failed, Self::Interrupted].get(usize::from(number)).copied()
    }
}

/// The end of a request, written once.
#[derive(Debug, Clone)]
pub struct OutcomeRow {
    /// The request.
    pub seq: Seq,
    /// Its shard.
    pub shard: ShardId,
    /// The epoch under which it finished.
    pub epoch: Epoch,
    /// How it ended, and with what.
    pub outcome: StoredOutcome,
    /// When, in cluster time.
    pub finished_at: Timestamp,
    /// Whether anything beside the request itself may say that it waits: it has a time at which it
    /// is due, an attempt has failed, it is held or was a dead letter, or nobody knows. Of most
    /// requests nothing does, and a storage need not look.
    pub elsewhere: bool,
}

/// An outcome's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOutcome {
    /// How it ended.
    pub kind: OutcomeKind,
    /// The encoded value or error, with format and fingerprint.
    pub payload: Bytes,
}

impl StoredOutcome {
    /// The outcome of a request that was cancelled.
    pub const fn interrupted() -> Self {
        StoredOutcome { kind: OutcomeKind::Interrupted, payload: Bytes::new() }
    }
}

/// The key of a state row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StateKey {
    /// The entity's shard.
    pub shard: ShardId,
    /// The entity's type.
    pub entity_type: Arc<str>,
    /// The entity's id.
    pub entity_id: EntityId,
}

/// An entity's stored state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateRow {
    /// Its version.
    pub version: StateVersion,
    /// The encoded state, with format and fingerprint.
    pub payload: Bytes,
}

/// A change of an entity's state, written only over the version it came from.
#[derive(Debug, Clone)]
pub struct StateWrite {
    /// Whose state.
    pub key: StateKey,
    /// The epoch under which it is written.
    pub epoch: Epoch,
    /// The version it came from; zero: there is no row yet.
    pub from: StateVersion,
    /// The version it makes; above `from`, by more than one where several changes share a batch.
    pub to: StateVersion,
    /// The encoded state, with format and fingerprint.
    pub payload: Bytes,
}

/// A failed attempt at a request, counted durably before the next one.
#[derive(Debug, Clone)]
pub struct AttemptWrite {
    /// The request.
    pub seq: Seq,
    /// Its shard.
    pub shard: ShardId,
    /// The epoch of the shard's ownership in which it is written.
    pub epoch: Epoch,
    /// Attempts made so far.
    pub attempts: u32,
    /// The next attempt is not before this, in cluster time.
    pub retry_at: Timestamp,
    /// Whether those behind it wait for it: then it stays among the pending ones. Otherwise it
    /// leaves them and is due at `retry_at`.
    pub in_order: bool,
    /// What went wrong, for people.
    pub error: String,
}

/// A request that is given up: it leaves the pending ones and is kept until somebody decides.
#[derive(Debug, Clone)]
pub struct DeadWrite {
    /// The request.
    pub seq: Seq,
    /// Its shard.
    pub shard: ShardId,
    /// The epoch of the shard's ownership in which it is written.
    pub epoch: Epoch,
    /// Attempts made.
    pub attempts: u32,
    /// The last error, for people.
    pub error: String,
    /// When it was given up, in cluster time.
    pub died_at: Timestamp,
}

/// A request that waits for something its owner lacks: it leaves those that wait for their turn.
#[derive(Debug, Clone)]
pub struct HoldWrite {
    /// The request.
    pub seq: Seq,
    /// Its shard.
    pub shard: ShardId,
    /// The epoch of the shard's ownership in which it is written.
    pub epoch: Epoch,
    /// When, in cluster time.
    pub held_at: Timestamp,
    /// What is missing.
    pub missing: Missing,
}

/// What a held request waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// A runner with its entity type.
    EntityType,
    /// A runner whose entity type has its message.
    Message,
    /// A runner that can read its arguments, or its entity's state; with what this one said, for
    /// people.
    Contract(String),
}

impl Missing {
    /// The stored number, and the text stored beside it.
    pub fn as_parts(&self) -> (u8, &str) {
        match self {
            Missing::EntityType => (0, ""),
            Missing::Message => (1, ""),
            Missing::Contract(error) => (2, error),
        }
    }

    /// Reads what is stored.
    pub fn from_parts(number: u8, text: &str) -> Option<Self> {
        match number {
            0 => Some(Missing::EntityType),
            1 => Some(Missing::Message),
            2 => Some(Missing::Contract(text.to_owned())),
            _ => None,
        }
    }
}

/// A held request as listed.
#[derive(Debug, Clone)]
pub struct HeldRow {
    /// The request as it was accepted.
    pub request: RequestRow,
    /// When it was held, in cluster time.
    pub held_at: Timestamp,
    /// What is missing.
    pub missing: Missing,
}

/// Puts a request back among those that wait for their turn, with no attempt made.
#[derive(Debug, Clone)]
pub struct RedriveWrite {
    /// The request.
    pub seq: Seq,
    /// Its shard.
    pub shard: ShardId,
    /// The epoch of the shard's ownership in which it is written.
    pub epoch: Epoch,
    /// Where it must stand; elsewhere nothing changes.
    pub from: RedriveFrom,
    /// Not to be started before, in cluster time; `None`: it is pending again, in its place in the
    /// owner's order.
    pub due_at: Option<Timestamp>,
}

/// Where a request stands that is to run again. The times tell apart a request that has come to the
/// same place twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedriveFrom {
    /// A dead letter, given up at this time.
    Dead(Timestamp),
    /// Finished at this time; its outcome is forgotten.
    Finished(Timestamp),
    /// Held.
    Held,
}

/// A dead letter as listed.
#[derive(Debug, Clone)]
pub struct DeadLetterRow {
    /// The request as it was accepted.
    pub request: RequestRow,
    /// Attempts made.
    pub attempts: u32,
    /// The last error.
    pub error: String,
    /// When it was given up, in cluster time.
    pub died_at: Timestamp,
}

/// Which pending requests to load.
#[derive(Debug, Clone)]
pub struct PendingScan {
    /// Only those accepted after this one.
    pub after: Seq,
    /// Only those of one entity, if given.
    pub entity: Option<StateKey>,
    /// At most this many rows.
    pub limit: usize,
    /// No row after the one with which they have this many bytes together
    /// ([`RequestRow::bytes`]): so there is always one, and a page of fewer rows and bytes is the
    /// last.
    pub bytes: usize,
}

impl PendingScan {
    /// How much fits into the page.
    pub const fn room(&self) -> PageRoom {
        PageRoom { rows: self.limit, bytes: self.bytes }
    }
}

/// The place of a request among those that are due at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Due {
    /// Not to be started before, in cluster time.
    pub at: Timestamp,
    /// Its place in the owner's order.
    pub seq: Seq,
}

impl Due {
    /// Before every request.
    pub const FIRST: Due = Due { at: Timestamp::from_unix_ms(i64::MIN), seq: Seq::new(0) };
}

/// Which requests to load of those that are due at a time, overdue ones included.
#[derive(Debug, Clone, Copy)]
pub struct DueScan {
    /// Only those after this one.
    pub after: Due,
    /// At most this many rows.
    pub limit: usize,
    /// As [`PendingScan::bytes`].
    pub bytes: usize,
}

impl DueScan {
    /// How much fits into the page.
    pub const fn room(&self) -> PageRoom {
        PageRoom { rows: self.limit, bytes: self.bytes }
    }
}

/// How much more fits into a page.
#[derive(Debug, Clone, Copy)]
pub struct PageRoom {
    rows: usize,
    bytes: usize,
}

impl PageRoom {
    /// Whether there is room for a row, whatever its size.
    pub const fn is_left(&self) -> bool {
        self.rows > 0 && self.bytes > 0
    }

    /// Counts a row that was put into the page.
    pub fn take(&mut self, row: &RequestRow) {
        self.rows = self.rows.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(row.bytes());
    }
}

/// A request that waits for its turn.
#[derive(Debug, Clone)]
pub struct PendingRequest {
    /// The request as it was accepted.
    pub request: RequestRow,
    /// Failed attempts so far.
    pub attempts: u32,
    /// Not to be started before, in cluster time: it is scheduled, or in retry back-off.
    pub due_at: Option<Timestamp>,
}

/// A request found by its id.
#[derive(Debug, Clone)]
pub struct FoundRequest {
    /// The request as it was accepted.
    pub request: RequestRow,
    /// Its outcome, if it has one.
    pub outcome: Option<StoredOutcome>,
    /// Whether it is a dead letter.
    pub dead: bool,
    /// Whether it is held, and for want of what.
    pub held: Option<Missing>,
    /// When it finished, if it has.
    pub finished_at: Option<Timestamp>,
}

/// Which finished requests to remove. Removes oldest first in the owner's order.
#[derive(Debug, Clone)]
pub struct RetireScan {
    /// By class ([`RetentionClass::as_u8`]): remove what finished before. The entry of `Derived` is
    /// not used: those go when their outer request's row is gone.
    pub finished_before: [Timestamp; RetentionClass::COUNT],
    /// Look only after this request; zero starts anew.
    pub after: Seq,
    /// Look at this many finished requests at most.
    pub limit: usize,
    /// A time to be stored with this step, for the next [`Joined::reached`]; it replaces the one
    /// before, also a later one. Without it, and when there is nothing to remove, a step only
    /// reads.
    ///
    /// [`Joined::reached`]: super::Joined::reached
    pub reached: Option<Timestamp>,
}

/// What a retention step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retired {
    /// Requests removed, with their outcomes.
    pub removed: usize,
    /// Where the next step goes on; `None`: the scan reached the end.
    pub next: Option<Seq>,
    /// What the step has looked at and kept.
    pub kept: Kept,
}

/// What a retention step has kept, so that nobody looks at it again before anything of it can go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// The last finished request that was looked at; where the scan began if there was none.
    pub upto: Seq,
    /// How many requests that is.
    pub requests: usize,
    /// By class: when the first one of those kept finished. A derived request counts as its outer
    /// one.
    pub oldest: [Option<Timestamp>; RetentionClass::COUNT],
    /// Whether there are requests among these that are not finished, or derived ones whose outer
    /// request is not finished or is derived as well.
    pub unfinished: bool,
}

impl Kept {
    /// Nothing, up to this request.
    pub const fn nothing(upto: Seq) -> Self {
        Kept { upto, requests: 0, oldest: [None; RetentionClass::COUNT], unfinished: false }
    }

    /// Counts a request that is kept because itself or its outer request, of this class, finished
    /// at this time, or has not.
    pub fn count(&mut self, class: RetentionClass, finished_at: Option<Timestamp>) {
        self.requests += 1;
        match (class, finished_at) {
            (RetentionClass::Derived, _) | (_, None) => self.unfinished = true,
            (class, Some(time)) => {
                let oldest = &mut self.oldest[usize::from(class.as_u8())];
                *oldest = Some(oldest.map_or(time, |known| known.min(time)));
            }
        }
    }
}

/// A shape, stored once per fingerprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapeRow {
    /// The fingerprint under which payloads name it.
    pub fingerprint: u64,
    /// The canonical bytes of the shape.
    pub shape: Bytes,
}

/// A message of an entity type, for tools that know no Rust types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractRow {
    /// The entity type.
    pub entity_type: Arc<str>,
    /// The message's tag; for the row of the state itself the tag of the empty name.
    pub tag: MessageTag,
    /// The message's name; empty for the row of the state itself.
    pub name: Arc<str>,
    /// The fingerprint of the arguments, or of the state.
    pub arguments: u64,
    /// The fingerprint of the reply; zero for the row of the state.
    pub reply: u64,
    /// The fingerprint of the error; zero where there is none.
    pub error: u64,
}
