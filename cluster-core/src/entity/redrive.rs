//! Requests that run again: dead letters redriven, finished ones reset, held ones released.

use std::sync::Arc;

use super::cancel::{find, write};
use super::kind::AnyKind;
use super::shared::Shared;
use crate::codec;
use crate::commit::{Rare, Writes};
use crate::error::ClusterError;
use crate::id::{RequestId, Seq};
use crate::storage::{
    Batch, Due, HeldRow, InboxNumber, Missing, RedriveFrom, RedriveWrite, RequestRow, StateKey,
    StorageError,
};
use crate::time::Timestamp;

/// How many held requests are looked at in one transaction, at most.
const RELEASE_PAGE: usize = 256;

/// Puts a dead letter back, if it is still the one that died then. It runs once, however often it
/// is asked for. The row of the inbox that has asked for it goes with it.
///
/// # Errors
/// `Persistence`: the storage failed.
pub(crate) async fn redrive(
    shared: &Arc<Shared>,
    row: &RequestRow,
    died_at: Timestamp,
    taken: Option<InboxNumber>,
) -> Result<(), ClusterError> {
    run_again(shared, row, RedriveFrom::Dead(died_at), taken).await
}

/// Forgets the outcome of a finished request and runs it again; says whether it was finished.
///
/// # Errors
/// `Retired`: no such request is stored. `Persistence`: the storage failed.
pub(crate) async fn reset(shared: &Arc<Shared>, id: RequestId) -> Result<bool, ClusterError> {
    let found = find(shared, id).await?;
    let Some(finished_at) = found.finished_at else { return Ok(false) };
    run_again(shared, &found.request, RedriveFrom::Finished(finished_at), None).await?;
    Ok(true)
}

async fn run_again(
    shared: &Arc<Shared>,
    row: &RequestRow,
    from: RedriveFrom,
    taken: Option<InboxNumber>,
) -> Result<(), ClusterError> {
    shared.gate.check(true)?;
    let now = shared.clock.wall();
    let redrive = RedriveWrite {
        seq: row.seq,
        shard: row.shard,
        epoch: shared.epoch_of(row.shard).unwrap_or(row.epoch),
        from,
        due_at: Some(now),
    };
    let writes = Writes::rare(Rare { redrive: Some(redrive), taken, ..Rare::default() });
    let written = write(shared, writes).await;
    // Also when another was first, or when nobody knows: what is there is found.
    shared.schedule.look_again(Due { at: now, seq: row.seq });
    written
}

/// Releases the held requests that this runner can run now, before anything is loaded: they come in
/// their place in the owner's order. One that cannot be run after all is held again.
pub(crate) async fn release_held(shared: &Shared) -> Result<(), StorageError> {
    let mut after = Seq::default();
    let rows = shared.config.page_rows(RELEASE_PAGE);
    loop {
        let page = shared.storage.held(after, rows).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.request.seq;
        let mut redrives = Vec::new();
        for held in &page {
            redrives.extend(shared.release(held).await?);
        }
        let batch = Batch { redrives, ..Batch::default() };
        if !batch.is_empty() {
            shared.storage.commit(shared.committer.fence(), Arc::new(batch)).await?;
        }
    }
}

impl Shared {
    async fn release(&self, held: &HeldRow) -> Result<Option<RedriveWrite>, StorageError> {
        let row = &held.request;
        let Some(kind) = self.kind_named(&row.entity_type) else { return Ok(None) };
        // By strict order those behind it wait for it, which they do once it is found missing.
        let is_tried = kind.is_strict()
            || match &held.missing {
                Missing::EntityType | Missing::Message => kind.schema_of(row.message).is_some(),
                Missing::Contract(_) => kind.reads(row) && self.reads_state(&*kind, row).await?,
            };
        if !is_tried {
            return Ok(None);
        }
        self.held_since.note(row.seq, held.held_at);
        Ok(Some(RedriveWrite {
            seq: row.seq,
            shard: row.shard,
            epoch: kind.epoch(row.shard),
            from: RedriveFrom::Held,
            due_at: None,
        }))
    }

    /// Whether the request's entity can be brought into memory, as far as its stored state is
    /// concerned.
    async fn reads_state(
        &self,
        kind: &dyn AnyKind,
        row: &RequestRow,
    ) -> Result<bool, StorageError> {
        let Some(schema) = kind.state_schema() else { return Ok(true) };
        let RequestRow { entity_type, entity_id, shard, .. } = row.clone();
        let key = StateKey { entity_type, entity_id, shard };
        let stored = self.states.load(key).await?;
        let written = stored.map(|state| codec::fingerprint_of(&state.payload));
        Ok(written.is_none_or(|written| written == Ok(schema.fingerprint())))
    }
}
