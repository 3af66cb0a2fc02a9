//! The way of a persisted request into the storage, and from there into its mailbox.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::context::{Context, is_derived};
use super::contract::{Message, Serves};
use super::endpoint::{Exchange, Request, Wanted};
use super::failure::{encode_error, not_committed, read_reply};
use super::handle::Handle;
use super::hold::held;
use super::intake::{Course, Receiver, tell};
use super::job::{Delivered, PersistedJob, wait_for_outcome, wants_transaction};
use super::kind::Kind;
use super::method::Style;
use super::origin::Stored;
use super::run::To;
use super::shared::Shared;
use super::slot::Slot;
use crate::codec;
use crate::commit::{CommitFailure, Full, Unit, Writes};
use crate::contract::Schema;
use crate::error::ClusterError;
use crate::id::{Address, EntityId, Epoch, Key, KeyDigest, RequestId, Seq, ShardId};
use crate::storage::{
    Accepted, KeyRow, KnownRequest, PendingRequest, RequestRow, RetentionClass, StorageError,
};

/// Hands a request to the committer; when it is durable it goes into the mailbox, whatever has
/// become of its caller.
pub(super) fn submit<T: Serves, M: Message, S: Style<T, M>>(
    slot: Arc<Slot<T>>,
    request: Request<M>,
) -> Exchange<M> {
    let (asked, exchange) = Asked::new(request.wanted);
    let shared = slot.kind.shared.clone();
    let row = match row_for(&slot.kind, slot.id(), &request) {
        Ok(row) => row,
        Err(error) => {
            asked.fail(error);
            return exchange;
        }
    };
    let Request { message, parent, .. } = request;
    let complete = move |result: Result<Vec<_>, CommitFailure>| match result {
        Ok(mut accepted) => {
            let (row, accepted) = accepted.pop().expect("one row was handed over");
            accept::<T, M, S>(&slot, row, accepted, message, parent, asked);
        }
        Err(failure) => asked.fail(not_accepted::<T, M>(&slot, &failure)),
    };
    shared.committer.push(Unit::new(Writes::accept(row), Box::new(complete)));
    exchange
}

/// Whom to tell of an accepted request, and when.
enum Asked<M: Message> {
    /// The outcome.
    Outcome(To<M>),
    /// Once it is durable.
    Acceptance(Receiver),
}

impl<M: Message> Asked<M> {
    fn new(wanted: Wanted) -> (Self, Exchange<M>) {
        match wanted {
            Wanted::Outcome => {
                let (tell, told) = oneshot::channel();
                (Asked::Outcome(To::Waiter(tell)), Exchange::Later(told))
            }
            Wanted::HandOver => {
                let (tell, told) = oneshot::channel();
                (Asked::Acceptance(tell), Exchange::Accepting(told))
            }
        }
    }

    fn fail(self, error: ClusterError) {
        match self {
            Asked::Outcome(to) => {
                to.fail(error);
            }
            Asked::Acceptance(tell) => {
                let _ = tell.send(Err(error));
            }
        }
    }

    /// The request is durable: goes on to its outcome, then tells who only waited for this.
    fn durable(self, id: RequestId, go_on: impl FnOnce(To<M>)) {
        let (to, receiver) = self.parts();
        go_on(to);
        tell(id, receiver);
    }

    /// Whom to tell the outcome, and whom that the request is durable.
    fn parts(self) -> (To<M>, Option<Receiver>) {
        match self {
            Asked::Outcome(to) => (to, None),
            Asked::Acceptance(receiver) => (To::Nobody, Some(receiver)),
        }
    }
}

/// The error of a request that was not accepted, or of which nobody will know.
fn not_accepted<T: Serves, M: Message>(slot: &Slot<T>, failure: &CommitFailure) -> ClusterError {
    match failure {
        CommitFailure::Storage(StorageError::UnknownOutcome { .. }) => {
            ClusterError::OutcomeUnknown { address: slot.address(), message: M::INFO.name }
        }
        CommitFailure::Storage(StorageError::Fenced { .. }) => ClusterError::ShuttingDown,
        failure => not_committed(failure),
    }
}

/// Everything of a request that is stored, but its place in the order.
fn row_for<T: Serves, M: Message>(
    kind: &Kind<T>,
    id: &EntityId,
    request: &Request<M>,
) -> Result<RequestRow, ClusterError> {
    let shared = &kind.shared;
    if let Some(Full { limit, what, max, actual }) = shared.committer.full() {
        let what = what.to_owned();
        return Err(ClusterError::LimitExceeded { limit, what, max, actual });
    }
    let schema = &kind.schemas.messages[M::INFO.index].arguments;
    let row = NewRow { shared, id, schema, request };
    let key = kind.state_key(id);
    Ok(RequestRow {
        epoch: kind.shards.epoch(key.shard),
        ..row.build(&key.entity_type, key.shard)?
    })
}

struct NewRow<'a, M> {
    shared: &'a Shared,
    id: &'a EntityId,
    schema: &'a Schema,
    request: &'a Request<M>,
}

impl<M: Message> NewRow<'_, M> {
    fn build(&self, entity_type: &Arc<str>, shard: ShardId) -> Result<RequestRow, ClusterError> {
        let limit = self.shared.config.payload_bytes_max;
        let message = &self.request.message;
        let arguments = message.encode(self.schema, limit).map_err(|error| {
            let what = format!("the arguments of {entity_type}/{} {}", self.id, M::INFO.name);
            encode_error(&what, "payload_bytes_max", error)
        })?;
        let now = self.shared.clock.wall();
        let key = self.request.key.as_ref();
        let outer = self.request.parent.as_ref().and_then(Context::request_id);
        Ok(RequestRow {
            seq: Seq::default(),
            shard,
            epoch: Epoch::default(),
            id: self.shared.request_ids.next(now),
            entity_type: entity_type.clone(),
            entity_id: self.id.clone(),
            message: M::INFO.tag,
            key: key.map(|key| KeyRow {
                digest: KeyDigest::of(entity_type, self.id, M::INFO.tag, key),
                key: key.clone(),
            }),
            arguments,
            headers: self.request.headers.clone(),
            trace: self.request.trace.context().cloned(),
            class: M::CLASS.unwrap_or_else(|| class_of(key, outer, self.request.wanted)),
            outer,
            accepted_at: now,
            due_at: self.request.due.map(|due| due.at(now)).filter(|at| *at > now),
            reminder: None,
        })
    }
}

fn class_of(key: Option<&Key>, outer: Option<RequestId>, wanted: Wanted) -> RetentionClass {
    match (key, wanted) {
        (Some(key), _) if outer.is_some_and(|outer| is_derived(key, outer)) => {
            RetentionClass::Derived
        }
        (Some(_), _) => RetentionClass::Keyed,
        (None, Wanted::HandOver) => RetentionClass::Sent,
        (None, Wanted::Outcome) => RetentionClass::Awaited,
    }
}

/// The request is in the storage, by this call or an earlier one.
fn accept<T: Serves, M: Message, S: Style<T, M>>(
    slot: &Arc<Slot<T>>,
    row: RequestRow,
    accepted: Accepted,
    message: M,
    parent: Option<Context>,
    asked: Asked<M>,
) {
    match accepted {
        Accepted::New => deliver_new::<T, M, S>(slot, row, message, parent, asked),
        Accepted::SameId(known) => join::<T, M>(slot, known, parent, asked),
        Accepted::SameKey(known) => {
            let schema = &slot.kind.schemas.messages[M::INFO.index].arguments;
            let differs = !codec::arguments_equal(&row.arguments, &known.arguments, schema.shape());
            let (address, message) = (slot.address(), M::INFO.name);
            match &row.key {
                // A rerun that computed something else: what the first run has done stays done.
                Some(_) if differs && row.class == RetentionClass::Derived => {
                    let method = message;
                    tracing::warn!(%address, method, "a rerun called with other arguments");
                    join::<T, M>(slot, known, parent, asked);
                }
                Some(_) if differs => asked.fail(key_conflict::<M>(&address, &row)),
                _ => join::<T, M>(slot, known, parent, asked),
            }
        }
        Accepted::IdCollision => asked.fail(ClusterError::Malformed {
            what: "the request's id".to_owned(),
            source: Arc::new(TakenId(row.id)),
        }),
    }
}

fn key_conflict<M: Message>(address: &Address, row: &RequestRow) -> ClusterError {
    let key = row.key.as_ref().expect("its key is known").key.clone();
    ClusterError::KeyConflict { address: address.clone(), message: M::INFO.name, key }
}

/// Two different requests came under one id.
#[derive(Debug, thiserror::Error)]
#[error("the id {0} belongs to another request; nothing was stored")]
struct TakenId(RequestId);

/// So that what a sender sends after its receipt comes behind the request, the receipt is told when
/// it stands before its entity.
fn deliver_new<T: Serves, M: Message, S: Style<T, M>>(
    slot: &Arc<Slot<T>>,
    row: RequestRow,
    message: M,
    parent: Option<Context>,
    asked: Asked<M>,
) {
    let (id, seq, due_at) = (row.id, row.seq, row.due_at);
    if due_at.is_some() {
        return asked.durable(id, |to| {
            wait_for_outcome::<T, M>(slot, (seq, id), parent, to);
            let pending = PendingRequest { request: row, attempts: 0, due_at };
            slot.kind.shared.schedule.add(pending);
        });
    }
    let (to, receiver) = asked.parts();
    let intake = &slot.kind.shared.intake;
    let Course::Straight(receiver) = intake.course(&row, receiver) else {
        return wait_for_outcome::<T, M>(slot, (seq, id), parent, to);
    };
    let mut stored = Box::new(Stored::new(row, 0, parent));
    stored.is_new = true;
    stored.nesting = slot.nesting(stored.parent.as_ref());
    stored.transaction = M::INFO.transaction && wants_transaction(|| message.transaction());
    let mut parts = Some((stored, message, to));
    let delivered = slot.deliver(seq, || {
        let (stored, message, to) = parts.take().expect("made once");
        Box::new(PersistedJob::<M, S>::new(stored, Some(message), to))
    });
    if delivered == Delivered::NoRoom {
        intake.fall_back(seq);
    }
    if let Some((stored, _, to)) = parts {
        wait_for_outcome::<T, M>(slot, (seq, id), stored.parent, to);
    }
    tell(id, receiver);
}

/// Joins a request that was there before: gives its outcome, or waits for it.
fn join<T: Serves, M: Message>(
    slot: &Arc<Slot<T>>,
    known: KnownRequest,
    parent: Option<Context>,
    asked: Asked<M>,
) {
    asked.durable(known.id, |to| {
        if let Some(outcome) = known.outcome {
            let schema = &slot.kind.schemas.messages[M::INFO.index];
            to.reply(read_reply::<M>(schema, &slot.address(), &outcome));
        } else if known.dead {
            tell_dead_letter(slot, known.seq, to);
        } else if let Some(missing) = known.held {
            to.fail(held(known.id, &missing));
        } else {
            wait_for_outcome::<T, M>(slot, (known.seq, known.id), parent, to);
        }
    });
}

fn tell_dead_letter<T: Serves, M: Message>(slot: &Arc<Slot<T>>, seq: Seq, to: To<M>) {
    if let To::Nobody = to {
        return;
    }
    let (shared, address) = (slot.kind.shared.clone(), slot.address());
    slot.kind.shared.tasks.spawn_waiting(async move {
        to.fail(dead_letter::<M>(&shared, address, seq).await);
    });
}

/// The notice that a request is a dead letter: what its letter says.
pub(crate) async fn dead_letter<M: Message>(
    shared: &Shared,
    address: Address,
    seq: Seq,
) -> ClusterError {
    let before = Seq::new(seq.as_u64().saturating_sub(1));
    let letters = match shared.storage.dead_letters(before, 1).await {
        Ok(letters) => letters,
        Err(error) => return ClusterError::Persistence { source: Arc::new(error) },
    };
    let letter = letters.into_iter().find(|letter| letter.request.seq == seq);
    let (attempts, reason) = letter.map_or_else(
        || (0, "it was a dead letter, and is none any more: ask again".to_owned()),
        |letter| (letter.attempts, letter.error),
    );
    ClusterError::Defect { address, message: M::INFO.name.to_owned(), attempts, reason }
}

impl Context {
    /// Puts a durable message into the handler's outbox: it is accepted in the handler's own
    /// commit. One whose key is known is not sent again: the request of that key stands for it.
    pub(super) async fn put_into_outbox<M: Message>(
        &self,
        handle: &Handle,
        request: Request<M>,
    ) -> Result<(RequestId, Option<KeyDigest>), ClusterError> {
        let row = self.row_of(handle, &request)?;
        let (shared, kind) = (self.shared(), handle.kind()?);
        let address = kind.address(handle.entity_id());
        let schema = kind.schema(M::INFO.index).expect("the contract is the type's own");
        let shape = schema.arguments.shape();
        let same = |known: &RequestRow| match codec::arguments_equal(
            &row.arguments,
            &known.arguments,
            shape,
        ) {
            true => Ok((known.id, None)),
            false => Err(key_conflict::<M>(&address, &row)),
        };
        let digest = row.key.as_ref().map(|key| key.digest);
        if let Some(digest) = digest {
            let found = shared.storage.find_keys(vec![digest]).await;
            let failed = |error| ClusterError::Persistence { source: Arc::new(error) };
            let found = found.map_err(failed)?.pop().flatten();
            if let Some(found) = found.filter(|found| found.request.has_key_of(&row)) {
                return same(&found.request);
            }
        }
        let request = (row.id, digest);
        let mut sent = self.0.sent.lock();
        let sent = sent.get_or_insert_default();
        if let Some(known) =
            sent.outbox.iter().find(|known| digest.is_some() && known.has_key_of(&row))
        {
            return same(known);
        }
        sent.put(row, shared.config.outbox_max)?;
        Ok(request)
    }

    /// Everything that is stored of a request that this handler sends, but its place in the order.
    pub(super) fn row_of<M: Message>(
        &self,
        handle: &Handle,
        request: &Request<M>,
    ) -> Result<RequestRow, ClusterError> {
        let (shared, id) = (self.shared(), handle.entity_id());
        ClusterError::check_id(id, shared.config.entity_id_bytes_max)?;
        let kind = handle.kind()?;
        let shard = kind.address(id).shard();
        let schema = kind.schema(M::INFO.index).expect("the contract is the type's own");
        let row = NewRow { shared, id, schema: &schema.arguments, request };
        Ok(RequestRow { epoch: kind.epoch(shard), ..row.build(kind.name(), shard)? })
    }
}
