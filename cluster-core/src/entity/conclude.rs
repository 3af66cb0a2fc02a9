//! From a handler's return value to its commit and its reply.

use std::sync::Arc;

use super::context::Context;
use super::contract::{Message, Serves};
use super::endpoint::ReplyOf;
use super::failure::{encode_error, stored_failure};
use super::intake::deliver_sent;
use super::keep_alive::Wish;
use super::kind::Kind;
use super::later::Parcels;
use super::method::{ReturnOf, Style};
use super::origin::{Base, NoOutcome, Origin, Stored, defect};
use super::outcome::{Outcome, Verdict};
use super::outstanding::wait_for_answer;
use super::remind::ended;
use super::run::{Ran, To};
use super::slot::Slot;
use super::turn::Turn;
use super::wire::Wire;
use crate::commit::{CommitFailure, Completion, Lineage, Rare, Unit, Writes};
use crate::error::{CallError, ClusterError, text};
use crate::storage::{Accepted, OutcomeKind, RequestRow, StateWrite, StoredOutcome};

/// What a handler's end amounts to: all of it becomes durable, or none.
pub(super) struct Ending<M: Message> {
    pub(super) reply: ReplyOf<M>,
    pub(super) outcome: Option<StoredOutcome>,
    /// What the handler did to the state, until that is among what is written.
    pub(super) change: Option<StateWrite>,
}

/// Ends a turn: on `Ok` state, outcome and outgoing messages go to the committer together, on `Err`
/// the state rolls back and the error is the outcome. The reply leaves when everything is durable
/// that the handler wrote or could have read.
#[inline]
pub(super) fn conclude<T: Serves, M: Message, S: Style<T, M>>(
    mut turn: Turn<T>,
    returned: ReturnOf<M>,
    ctx: Option<&Context>,
    parcels: Parcels,
    origin: Origin,
    to: To<M>,
) -> Ran<M> {
    if <M::Outcome as Outcome>::LATER {
        return wait_for_answer::<T, M, S>(turn, returned, ctx, parcels, origin, to);
    }
    let has_wish = ctx.is_some_and(Context::has_wish);
    let stored = match &origin {
        // Nothing is to be written, and nothing was read that a crash can undo.
        Origin::Volatile if !Kind::<T>::is_durable() && !M::INFO.fenced && !has_wish => {
            let reply = match <M::Outcome as Outcome>::verdict(returned) {
                Verdict::Ok(value) => Ok(value),
                Verdict::Err(error) => {
                    turn.slot.kind.metrics.errors.increment(1);
                    Err(CallError::Entity(error))
                }
                Verdict::Retry(error) => Err(CallError::Cluster(error)),
                Verdict::GiveUp(reason) => {
                    Err(CallError::Cluster(defect::<T, M>(&turn.slot, 1, reason)))
                }
            };
            turn.end();
            return to.reply(reply);
        }
        Origin::Volatile => None,
        Origin::Persisted(stored) => Some(&**stored),
    };
    let mut ending = match settle::<T, M>(&mut turn, returned, stored) {
        Ok(ending) => ending,
        Err(ended) => {
            let (slot, base) = (turn.slot.clone(), turn.base());
            turn.end();
            return ended.tell::<T, M, S>(origin, &slot, base, to);
        }
    };
    let then = match ending.reply {
        Ok(_) => Afterwards::of(ctx, parcels),
        Err(_) if turn.rolls_back(&origin) => Afterwards::default(),
        Err(_) => Afterwards::of_failed(parcels),
    };
    let writes = writes_of(&turn.slot, &mut ending, ctx, &then, stored);
    if writes.asks_nothing() && !turn.must_wait() {
        let slot = turn.slot.clone();
        turn.end();
        then.happen(&slot);
        return to.reply(ending.reply);
    }
    commit::<T, M, S>(turn, ending, writes, then, origin, to)
}

/// What follows when a handler's writes are durable; dropped when they are not.
#[derive(Default)]
pub(super) struct Afterwards {
    parcels: Parcels,
    wish: Option<Wish>,
}

impl Afterwards {
    /// Of a handler that has succeeded.
    pub(super) fn of(ctx: Option<&Context>, parcels: Parcels) -> Self {
        Afterwards { parcels, wish: ctx.and_then(Context::take_wish) }
    }

    /// Of a handler that has failed, with nothing to roll back: what it has told others is told.
    fn of_failed(parcels: Parcels) -> Self {
        Afterwards { parcels, wish: None }
    }

    #[inline]
    pub(super) fn happen<T: Serves>(self, slot: &Arc<Slot<T>>) {
        if let Some(wish) = self.wish {
            slot.fulfil(wish);
        }
        self.parcels.hand_out();
    }
}

/// Reads the returned value and captures or rolls back the state.
///
/// # Errors
/// The handler's end was no outcome; the state is rolled back.
pub(super) fn settle<T: Serves, M: Message>(
    turn: &mut Turn<T>,
    returned: ReturnOf<M>,
    stored: Option<&Stored>,
) -> Result<Ending<M>, NoOutcome> {
    let value = match <M::Outcome as Outcome>::verdict(returned) {
        Verdict::Ok(value) => value,
        Verdict::Err(error) => {
            turn.slot.kind.metrics.errors.increment(1);
            turn.roll_back();
            let reply = Err(CallError::Entity(error));
            return Ok(write_down(&turn.slot, reply, stored));
        }
        Verdict::Retry(error) => {
            turn.roll_back();
            return Err(NoOutcome::Retry(error));
        }
        Verdict::GiveUp(reason) => {
            turn.roll_back();
            return Err(NoOutcome::GiveUp(reason));
        }
    };
    let (reply, slot) = (Ok(value), turn.slot.clone());
    let outcome = stored.map(|_| encode_outcome::<T, M>(&slot, &reply)).transpose();
    let ended = outcome.and_then(|outcome| turn.capture().map(|change| (outcome, change)));
    match ended {
        Ok((outcome, change)) => Ok(Ending { reply, outcome, change }),
        // A value or state that cannot be stored: the handler has done nothing.
        Err(error) => {
            turn.roll_back();
            let error = unwritable::<T, M>(&slot, stored, error);
            Ok(write_down(&slot, Err(CallError::Cluster(error)), stored))
        }
    }
}

/// A reply as it is stored, with no change of the state; where it cannot be, its failure is in its
/// place.
pub(super) fn write_down<T: Serves, M: Message>(
    slot: &Arc<Slot<T>>,
    reply: ReplyOf<M>,
    stored: Option<&Stored>,
) -> Ending<M> {
    let (reply, outcome) = match stored.map(|_| encode_outcome::<T, M>(slot, &reply)) {
        None => (reply, None),
        Some(Ok(outcome)) => (reply, Some(outcome)),
        Some(Err(error)) => {
            let error = unwritable::<T, M>(slot, stored, error);
            let outcome = stored_failure(&error);
            (Err(CallError::Cluster(error)), Some(outcome))
        }
    };
    Ending { reply, outcome, change: None }
}

/// A value that cannot be written down is a defect of its handler, unless it is only too large.
fn unwritable<T: Serves, M: Message>(
    slot: &Arc<Slot<T>>,
    stored: Option<&Stored>,
    error: ClusterError,
) -> ClusterError {
    let attempts = stored.map_or(0, |stored| stored.attempts) + 1;
    match error {
        ClusterError::LimitExceeded { .. } => error,
        error => defect::<T, M>(slot, attempts, text(&error)),
    }
}

fn encode_outcome<T: Serves, M: Message>(
    slot: &Slot<T>,
    reply: &ReplyOf<M>,
) -> Result<StoredOutcome, ClusterError> {
    let kind = &slot.kind;
    let schema = &kind.schemas.messages[M::INFO.index];
    let limit = kind.shared.config.payload_bytes_max;
    let (outcome, encoded) = match reply {
        Ok(value) => (OutcomeKind::Ok, value.encode(&schema.ok, limit)),
        Err(CallError::Entity(error)) => (OutcomeKind::Err, error.encode(&schema.err, limit)),
        Err(CallError::Cluster(error)) => return Ok(stored_failure(error)),
    };
    let what = || format!("the reply of {} {}", slot.address(), M::INFO.name);
    let payload = encoded.map_err(|error| encode_error(&what(), "payload_bytes_max", error))?;
    Ok(StoredOutcome { kind: outcome, payload })
}

pub(super) fn writes_of<T: Serves, M: Message>(
    slot: &Slot<T>,
    ending: &mut Ending<M>,
    ctx: Option<&Context>,
    then: &Afterwards,
    stored: Option<&Stored>,
) -> Writes {
    let alive = then.wish.as_ref().map(|wish| slot.alive_write(wish.alive()));
    let mut rare = Rare { alive, ..Rare::default() };
    let state = ending.change.take();
    let mut writes = Writes { state, confirm: M::INFO.fenced, ..Writes::default() };
    if let (Some(stored), Some(outcome)) = (stored, &ending.outcome) {
        let now = slot.kind.shared.clock.wall();
        writes.outcome = Some(stored.outcome(outcome.clone(), now));
    }
    if let Some(ctx) = ctx {
        ctx.hand_over(&mut writes, &mut rare, ending.reply.is_ok());
    }
    if let Some(stored) = stored {
        // After what the handler itself says of the same reminder.
        rare.reminders.extend(ended(&slot.kind.shared, &stored.row));
    }
    writes.rare = rare.boxed();
    writes
}

/// Hands the writes over and ends the turn: the next handler runs ahead of this commit, and its own
/// comes after it.
fn commit<T: Serves, M: Message, S: Style<T, M>>(
    turn: Turn<T>,
    ending: Ending<M>,
    writes: Writes,
    then: Afterwards,
    origin: Origin,
    to: To<M>,
) -> Ran<M> {
    let (to, ran) = to.later();
    let committed = Committed {
        slot: turn.slot.clone(),
        // As `Turn::commit` counts it.
        counted: !writes.is_empty(),
        generation: turn.generation(),
        ending,
        then,
        origin,
        to,
    };
    turn.commit(writes, committed.complete::<S>());
    ran
}

/// What waits for the commit of a handler's writes.
struct Committed<T: Serves, M: Message> {
    slot: Arc<Slot<T>>,
    /// It is counted as a commit of the entity, of an instance of this generation.
    counted: bool,
    generation: u32,
    ending: Ending<M>,
    then: Afterwards,
    origin: Origin,
    to: To<M>,
}

impl<T: Serves, M: Message> Committed<T, M> {
    fn complete<S: Style<T, M>>(self) -> Completion {
        Box::new(move |result| match result {
            Ok(accepted) => self.durable(accepted),
            Err(failure) => self.void::<S>(&failure),
        })
    }

    fn durable(self, accepted: Vec<(RequestRow, Accepted)>) {
        let Committed { slot, counted, ending, then, origin, to, .. } = self;
        let stored = match &origin {
            Origin::Volatile => None,
            Origin::Persisted(stored) => Some(&stored.row),
        };
        // Before the entity can leave memory.
        then.happen(&slot);
        match (counted, stored) {
            (true, stored) => slot.settled(stored.map(|row| row.seq)),
            (false, Some(row)) => slot.request_ended(row.seq),
            (false, None) => {}
        }
        deliver_sent(&slot.kind.shared, accepted);
        if let (Some(row), Some(outcome)) = (stored, ending.outcome) {
            slot.kind.metrics.outcome_stored(outcome.kind);
            slot.kind.shared.waiters.tell(row.id, || Ok(outcome.clone()));
        }
        to.reply(ending.reply);
    }

    fn void<S: Style<T, M>>(self, failure: &CommitFailure) {
        let Committed { slot, counted, generation, origin, to, .. } = self;
        if counted {
            slot.commit_failed(generation);
        }
        origin.void::<T, M, S>(&slot, failure, to);
    }
}

/// As [`commit`], where the handler's turn has ended before: of a reply that comes later, and of a
/// persisted stream. `base` is what the handler was built on, where that is not durable yet.
///
/// What it says of reminders is counted as a commit of the entity: meanwhile no request starts that
/// it replaces, and one that runs is seen to.
pub(super) fn commit_beside<T: Serves, M: Message, S: Style<T, M>>(
    slot: Arc<Slot<T>>,
    base: Base,
    ending: Ending<M>,
    writes: Writes,
    then: Afterwards,
    origin: Origin,
    to: To<M>,
) {
    let counted = !writes.reminders().is_empty();
    let is_of_instance = counted || base.is_some();
    let generation = base.map_or_else(|| slot.generation(), |(_, generation)| generation);
    let entity = slot.clone();
    let committed = Committed { slot, counted, generation, ending, then, origin, to };
    let complete = committed.complete::<S>();
    let unit = match is_of_instance {
        true => Unit::of(entity.clone(), generation, writes, complete),
        false => Unit::new(writes, complete),
    };
    let refused = {
        let mut inner = entity.lock();
        if counted {
            inner.ledger.get_or_insert_default().uncommitted += 1;
        }
        entity.kind.shared.committer.offer(unit)
    };
    if let Some(unit) = refused {
        (unit.complete)(Err(CommitFailure::Stopped));
    }
}
