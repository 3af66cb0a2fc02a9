//! Reminders as they stand when a batch is written: what units want of them becomes rows.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::unit::Unit;
use crate::id::{Epoch, RequestId, Seq};
use crate::storage::{
    Batch, OutcomeRow, ReminderKey, ReminderRow, ReminderWrite, RequestRow, StateKey, Storage,
    StorageError, StoredOutcome,
};
use crate::time::Timestamp;

/// What a unit wants of a reminder. Which request it meets is known when the unit is written:
/// everything before it is durable then, and nobody else writes.
#[derive(Debug, Clone)]
pub(crate) struct ReminderIntent {
    pub(crate) key: ReminderKey,
    /// The epoch of the shard's ownership.
    pub(crate) epoch: Epoch,
    pub(crate) change: ReminderChange,
}

#[derive(Debug, Clone)]
pub(crate) enum ReminderChange {
    /// It is this request from now on, which the same unit accepts.
    Set(RequestId),
    /// It is not set any more.
    Clear,
    /// This request of it ends with the unit, in whatever way: the next one follows, if there is to
    /// be one and the reminder has not become another.
    Ended(Seq, Option<Box<RequestRow>>),
}

impl ReminderIntent {
    /// How many bytes of payloads and headers there are.
    pub(super) fn bytes(&self) -> usize {
        match &self.change {
            ReminderChange::Ended(_, Some(next)) => next.bytes(),
            _ => 0,
        }
    }
}

/// A request of a reminder that was set anew or cleared: its outcome is `Interrupted`, and it has
/// not run.
#[derive(Debug, Clone)]
pub(crate) struct Replaced {
    pub(crate) entity: StateKey,
    pub(crate) row: ReminderRow,
}

/// What has become durable of reminders with one unit.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reminded {
    pub(crate) replaced: Vec<Replaced>,
    /// The requests that come next.
    pub(crate) armed: Vec<RequestRow>,
}

impl Reminded {
    pub(crate) fn is_empty(&self) -> bool {
        self.replaced.is_empty() && self.armed.is_empty()
    }
}

/// Who is told what has become durable of reminders: before the maker of the unit is.
pub(crate) type OnReminded = Box<dyn Fn(Reminded) + Send + Sync>;

/// The reminders that units speak of, as they stand.
#[derive(Debug, Default)]
pub(crate) struct Reminders {
    known: HashMap<ReminderKey, Option<ReminderRow>>,
}

impl Reminders {
    /// Asks for the reminders of these keys; not to be called while anybody else writes. Costs
    /// nothing when there are none.
    pub(super) async fn of(
        storage: &dyn Storage,
        keys: Vec<ReminderKey>,
    ) -> Result<Self, StorageError> {
        if keys.is_empty() {
            return Ok(Reminders::default());
        }
        let found = storage.find_reminders(keys.clone()).await?;
        Ok(Reminders { known: keys.into_iter().zip(found).collect() })
    }

    /// Puts what the intents of one unit come to into the batch, which has the rows that the unit
    /// accepts already. `has_out` says of a request of the entity whether it has begun: such a one
    /// ends by itself.
    pub(crate) fn apply(
        &mut self,
        intents: &[ReminderIntent],
        has_out: impl Fn(Seq) -> bool,
        now: Timestamp,
        next_seq: &impl Fn() -> Seq,
        batch: &mut Batch,
    ) -> Reminded {
        let mut reminded = Reminded::default();
        for ReminderIntent { key, epoch, change } in intents {
            let Some(known) = self.known.get_mut(key) else { continue };
            let before = *known;
            match change {
                ReminderChange::Set(request) => {
                    let accepted = batch.accepts.iter().find(|row| row.id == *request);
                    let Some(row) = accepted else { continue };
                    *known = Some(ReminderRow { occurrence: row.seq, request: row.id });
                }
                ReminderChange::Clear => *known = None,
                ReminderChange::Ended(ended, next) => {
                    if before.is_none_or(|before| before.occurrence != *ended) {
                        continue;
                    }
                    *known = next.as_ref().map(|next| {
                        let row = RequestRow { seq: next_seq(), ..(**next).clone() };
                        let to = ReminderRow { occurrence: row.seq, request: row.id };
                        batch.accepts.push(row.clone());
                        reminded.armed.push(row);
                        to
                    });
                }
            }
            let is_end = matches!(change, ReminderChange::Ended(..));
            if let Some(row) = before.filter(|row| !is_end && !has_out(row.occurrence)) {
                batch.outcomes.push(OutcomeRow {
                    seq: row.occurrence,
                    shard: key.entity.shard,
                    epoch: *epoch,
                    outcome: StoredOutcome::interrupted(),
                    finished_at: now,
                    elsewhere: true,
                });
                reminded.replaced.push(Replaced { entity: key.entity.clone(), row });
            }
            let write = ReminderWrite { key: key.clone(), epoch: *epoch, to: *known };
            match batch.reminders.iter_mut().find(|other| other.key == *key) {
                Some(other) => *other = write,
                None => batch.reminders.push(write),
            }
        }
        reminded
    }
}

/// The reminders that intents speak of, each once.
pub(super) fn keys_of<'a>(intents: impl Iterator<Item = &'a ReminderIntent>) -> Vec<ReminderKey> {
    let keys: HashSet<&ReminderKey> = intents.map(|intent| &intent.key).collect();
    keys.into_iter().cloned().collect()
}

/// What the units of a batch come to, unit by unit; empty when none speaks of reminders.
pub(super) fn apply_all(
    mut reminders: Reminders,
    units: &[Unit],
    now: Timestamp,
    next_seq: impl Fn() -> Seq,
    batch: &mut Batch,
) -> Vec<Reminded> {
    if reminders.known.is_empty() {
        return Vec::new();
    }
    let apply = |unit: &Unit| {
        let line = unit.lineage.as_ref().map(|(line, _)| Arc::clone(line));
        let has_out = |seq| line.as_ref().is_some_and(|line| line.has_out(seq));
        reminders.apply(unit.writes.reminders(), has_out, now, &next_seq, batch)
    };
    units.iter().map(apply).collect()
}
