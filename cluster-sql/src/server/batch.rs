//! Batches that are written at once.

use cluster_core::storage::{Batch, Committed};

/// What came of writing a batch at once.
pub(crate) enum Written {
    Done(Committed),
    /// Nothing was written: something in the batch stands in its way, or the batch is of a kind
    /// that cannot be written at once.
    NotThisWay,
}

/// Whether a batch has nothing but what most have, in the owner's order: no part of it changes what
/// another part has written, whichever is written first.
pub(crate) fn is_plain(batch: &Batch) -> bool {
    let Batch {
        accepts,
        outcomes,
        states: _,
        journal: _,
        attempts,
        dead,
        deferreds,
        holds,
        redrives,
        chunks,
        chunks_read,
        reminders,
        removals,
        forgotten,
        alive,
        taken,
    } = batch;
    let rare = attempts.is_empty()
        && dead.is_empty()
        && deferreds.is_empty()
        && holds.is_empty()
        && redrives.is_empty()
        && chunks.is_empty()
        && chunks_read.is_empty()
        && reminders.is_empty()
        && removals.is_empty()
        && forgotten.is_empty()
        && alive.is_empty()
        && taken.is_empty();
    let first = accepts.first().map(|row| row.seq);
    rare && accepts.is_sorted_by(|a, b| a.seq < b.seq)
        && first.is_none_or(|first| outcomes.iter().all(|row| row.seq < first))
}
