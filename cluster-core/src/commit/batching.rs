//! Units become batches, and what became of a batch becomes known to its units.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use hashbrown::HashMap;

use super::reminders::{OnReminded, Reminded};
use super::unit::{CommitFailure, Completion, Rare, Unit};
use crate::id::Seq;
use crate::storage::{Accepted, Batch, Committed, RequestRow, StateKey, StorageError};

/// Puts the units' writes into one batch; the rows of accepts and outcomes move there.
pub(super) fn gather(units: &mut [Unit], next_seq: impl Fn() -> Seq) -> Batch {
    let many = |of: fn(&Unit) -> usize| units.iter().map(of).sum();
    let states = many(|unit| unit.writes.state.iter().len());
    let mut state_at: HashMap<StateKey, usize> = HashMap::with_capacity(states);
    let mut batch = Batch {
        accepts: Vec::with_capacity(many(|unit| unit.writes.accepts.len())),
        outcomes: Vec::with_capacity(many(|unit| unit.writes.outcome.iter().len())),
        states: Vec::with_capacity(states),
        ..Batch::default()
    };
    for unit in units {
        let writes = &mut unit.writes;
        unit.accepts = writes.accepts.len();
        for mut row in writes.accepts.drain(..) {
            row.seq = next_seq();
            batch.accepts.push(row);
        }
        unit.ends = writes.outcome.is_some();
        batch.outcomes.extend(writes.outcome.take());
        if let Some(rare) = &writes.rare {
            gather_rare(rare, &mut batch);
        }
        let Some(state) = writes.state.clone() else { continue };
        match state_at.get(&state.key) {
            // A later change of the same batch: from where the first began to where this ends.
            Some(&at) => {
                let earlier = &mut batch.states[at];
                debug_assert_eq!(earlier.to, state.from, "changes of one entity follow each other");
                earlier.to = state.to;
                earlier.payload = state.payload;
                earlier.epoch = state.epoch;
            }
            None => {
                state_at.insert(state.key.clone(), batch.states.len());
                batch.states.push(state);
            }
        }
    }
    batch
}

fn gather_rare(rare: &Rare, batch: &mut Batch) {
    batch.attempts.extend(rare.attempt.clone());
    batch.dead.extend(rare.dead.clone());
    batch.journal.extend(rare.journal.iter().cloned());
    batch.deferreds.extend(rare.deferred.clone());
    batch.holds.extend(rare.hold.clone());
    batch.redrives.extend(rare.redrive.clone());
    batch.removals.extend(rare.removals.iter().copied());
    batch.forgotten.extend(rare.forgotten.clone());
    batch.alive.extend(rare.alive.clone());
    batch.chunks.extend(rare.chunks.iter().cloned());
    batch.chunks_read.extend(rare.chunks_read.clone());
    batch.taken.extend(rare.taken);
}

/// Tells every unit that it is durable, and first what has become of reminders with it.
pub(super) fn complete(
    units: Vec<Unit>,
    batch: Arc<Batch>,
    mut committed: Committed,
    reminded: Vec<Reminded>,
    on_reminded: Option<&OnReminded>,
) {
    add_ends(&batch, &mut committed.accepts);
    let mut accepts = rows_of(batch).into_iter().zip(committed.accepts);
    let mut reminded = reminded.into_iter();
    for unit in units {
        let mine = accepts.by_ref().take(unit.accepts).collect();
        if let Some(reminded) = reminded.next().filter(|reminded| !reminded.is_empty()) {
            tell_reminded(reminded, on_reminded);
        }
        settle(unit.complete, Ok(mine));
    }
}

/// Tells what has become of reminders; it may drop values of users' types.
pub(super) fn tell_reminded(reminded: Reminded, on_reminded: Option<&OnReminded>) {
    let Some(tell) = on_reminded else { return };
    if catch_unwind(AssertUnwindSafe(|| tell(reminded))).is_err() {
        tracing::error!("a value panicked while its request was displaced");
    }
}

/// A request that was found as known may have ended in this very batch: who joins it is told so,
/// since those who waited are told without it.
fn add_ends(batch: &Batch, accepts: &mut [Accepted]) {
    for accepted in accepts {
        let (Accepted::SameId(known) | Accepted::SameKey(known)) = accepted else { continue };
        if known.outcome.is_none() {
            let ended = batch.outcomes.iter().find(|row| row.seq == known.seq);
            known.outcome = ended.map(|row| row.outcome.clone());
            known.dead |= batch.dead.iter().any(|dead| dead.seq == known.seq);
            let held = batch.holds.iter().find(|hold| hold.seq == known.seq);
            known.held = held.map(|hold| hold.missing.clone()).or(known.held.take());
        }
    }
}

/// Fails the units whose instance has moved on, in their order.
pub(super) fn fail_superseded(units: &mut Vec<Unit>) {
    if units.iter().any(Unit::is_superseded) {
        let (stale, good) = std::mem::take(units).into_iter().partition(Unit::is_superseded);
        *units = good;
        fail_all(stale, &CommitFailure::Superseded);
    }
}

pub(super) fn fail_all(units: Vec<Unit>, failure: &CommitFailure) {
    for unit in units {
        let failure =
            if unit.is_superseded() { CommitFailure::Superseded } else { failure.clone() };
        settle(unit.complete, Err(failure));
    }
}

/// After a sure failure: fails the units that are to blame. Returns the others in parts to be
/// committed one by one, the first of them last.
pub(super) fn what_is_left(
    mut units: Vec<Unit>,
    batch: Arc<Batch>,
    error: &StorageError,
) -> Vec<Vec<Unit>> {
    let failure = || CommitFailure::Storage(error.clone());
    if matches!(error, StorageError::Unavailable { .. }) || units.len() == 1 {
        fail_all(units, &failure());
        return Vec::new();
    }
    give_back(&mut units, batch);
    if let Some(at) = blamed(&units, error) {
        let unit = units.remove(at);
        settle(unit.complete, Err(failure()));
        return vec![units];
    }
    // Something in one of them cannot be written: the halves tell which, and the others are not
    // harmed.
    let second = units.split_off(units.len() / 2);
    vec![second, units]
}

/// The unit whose entity a conflict names.
fn blamed(units: &[Unit], error: &StorageError) -> Option<usize> {
    let StorageError::StateConflict { entity_type, entity_id, .. } = error else { return None };
    units.iter().position(|unit| {
        let key = unit.writes.state.as_ref().map(|state| &state.key);
        key.is_some_and(|key| key.entity_type == *entity_type && key.entity_id == *entity_id)
    })
}

/// The rows that were moved return to their units.
fn give_back(units: &mut [Unit], batch: Arc<Batch>) {
    let Batch { accepts, outcomes, .. } = Arc::unwrap_or_clone(batch);
    let (mut accepts, mut outcomes) = (accepts.into_iter(), outcomes.into_iter());
    for unit in units {
        unit.writes.accepts.extend(accepts.by_ref().take(unit.accepts));
        unit.writes.outcome = outcomes.by_ref().take(unit.ends.into()).next();
    }
}

fn rows_of(batch: Arc<Batch>) -> Vec<RequestRow> {
    Arc::try_unwrap(batch).map_or_else(|shared| shared.accepts.clone(), |batch| batch.accepts)
}

/// Calls a completion. It drops values of users' types, whose code may panic; that must not end the
/// committer.
pub(super) fn settle(
    complete: Completion,
    result: Result<Vec<(RequestRow, Accepted)>, CommitFailure>,
) {
    if catch_unwind(AssertUnwindSafe(|| complete(result))).is_err() {
        tracing::error!("a value panicked while its request was told of its commit");
    }
}
