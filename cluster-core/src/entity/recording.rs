//! What a persisted handler writes while it runs: the journal of a workflow's execution, and what
//! the execution's steps send.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::context::{Context, Frame};
use super::intake::deliver_sent;
use super::kind::Shards;
use super::transaction::TransactionSlot;
use crate::commit::{CommitFailure, Rare, Unit, Writes};
use crate::id::{Epoch, Seq, ShardId};
use crate::storage::{JournalEntry, RequestRow};

/// Where a persisted request stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) seq: Seq,
    pub(crate) shard: ShardId,
    /// The epoch of the shard's ownership now, under which more is written of the request.
    pub(crate) epoch: Epoch,
}

impl Place {
    pub(super) fn of(row: &RequestRow, shards: &Shards) -> Self {
        Place { seq: row.seq, shard: row.shard, epoch: shards.epoch(row.shard) }
    }
}

/// What has happened in an execution: written together or not at all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record {
    pub(crate) entries: Vec<JournalEntry>,
    /// What the steps that ended have sent; there with their results, whatever the outcome.
    pub(crate) sent: Vec<RequestRow>,
}

impl Context {
    /// Where the persisted request stands that is run.
    pub(crate) fn place(&self) -> Option<Place> {
        self.0.place
    }

    /// The context of a step: what it sends is its own until the step ends, and the keys of its
    /// calls are its own, so that they do not change when earlier steps are not run again.
    pub(crate) fn of_step(&self, scope: String) -> Context {
        let run = &self.0;
        Context(Arc::new(Frame {
            entity: run.entity.clone(),
            address: OnceLock::new(),
            message: run.message,
            holds: run.holds,
            request: run.request.clone(),
            seq: run.seq,
            resumed: OnceLock::new(),
            headers: run.headers.clone(),
            trace: run.trace.clone(),
            parent: run.parent.clone(),
            base: run.base.clone(),
            confirmed: AtomicBool::new(false),
            over: AtomicBool::new(false),
            commits: run.commits,
            collects: false,
            wishes: AtomicBool::new(false),
            place: run.place,
            scope: scope.into(),
            sent: Mutex::default(),
            transaction: TransactionSlot::new(false),
        }))
    }

    /// Changes what has been recorded and is not handed over yet. Whatever is left of it at the end
    /// is written together with the outcome.
    pub(crate) fn record<R>(&self, change: impl FnOnce(&mut Record) -> R) -> R {
        change(&mut self.0.sent.lock().get_or_insert_default().record)
    }

    /// Takes what the handler has sent.
    pub(crate) fn take_outbox(&self) -> Vec<RequestRow> {
        self.0.sent.lock().as_mut().map(|sent| std::mem::take(&mut sent.outbox)).unwrap_or_default()
    }

    /// Hands a part of the record to the committer, and tells when it is durable.
    pub(crate) fn write(
        &self,
        record: Record,
        written: impl FnOnce(Result<(), CommitFailure>) + Send + 'static,
    ) {
        let Record { entries, sent } = record;
        let rare = Rare { journal: entries, ..Rare::default() };
        let writes = Writes { accepts: sent, ..Writes::rare(rare) };
        let shared = self.shared().clone();
        let committer = shared.committer.clone();
        let complete = move |result: Result<Vec<_>, CommitFailure>| {
            written(result.map(|accepted| deliver_sent(&shared, accepted)));
        };
        committer.push(Unit::new(writes, Box::new(complete)));
    }

    /// Hands over what is committed with the outcome: what was recorded, and what was sent if the
    /// handler has succeeded.
    pub(super) fn hand_over(&self, writes: &mut Writes, rare: &mut Rare, succeeded: bool) {
        let mut sent = self.0.sent.lock();
        let Some(sent) = sent.as_mut() else { return };
        let Record { entries, sent: of_steps } = std::mem::take(&mut sent.record);
        rare.journal = entries;
        writes.accepts = of_steps;
        if succeeded {
            writes.accepts.append(&mut sent.outbox);
            rare.reminders.append(&mut sent.reminders);
        }
    }
}
