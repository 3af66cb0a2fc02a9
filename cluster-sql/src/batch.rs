//! What a batch writes, statement by statement, on either driver.

use cluster_core::id::{Seq, StateVersion};
use cluster_core::storage::{
    Accepted, AttemptWrite, Batch, Committed, DeadWrite, Fence, FoundRequest, HoldWrite,
    OutcomeRow, RedriveFrom, RedriveWrite, RequestRow, StateWrite, StorageError,
};

use super::alive::set_alive;
use super::chunks::write_chunks;
use super::driver::Driver;
use super::entity::{forget, remind, remove};
use super::inbox::take;
use super::journal::{append, complete};
use super::rows::{
    EncodedRequest, first_state_values, is_first, known, outcome_values, read_found, state_values,
};
use super::sql::Sql;
use super::value::{Columns, Reader, Value, integer};

/// Says whether the fence holds, as every write must in its transaction.
pub(crate) async fn check_fence<D: Driver>(
    driver: &mut D,
    fence: Fence,
) -> Result<(), StorageError> {
    let incarnation = [integer(fence.incarnation.as_u64()).into()];
    let number = driver.first(Sql::Fence, &incarnation, read_integer).await?;
    match number {
        Some(number) if number == integer(fence.number.as_u64()) => Ok(()),
        _ => Err(fence.lost()),
    }
}

/// Writes a batch in the open transaction.
pub(crate) async fn write_batch<D: Driver>(
    driver: &mut D,
    batch: &Batch,
) -> Result<Committed, StorageError> {
    let mut accepts = Vec::with_capacity(batch.accepts.len());
    for row in &batch.accepts {
        accepts.push(accept(driver, row).await?);
    }
    for write in &batch.states {
        write_state(driver, write).await?;
    }
    for entry in &batch.journal {
        append(driver, entry).await?;
    }
    for row in &batch.deferreds {
        complete(driver, row).await?;
    }
    write_chunks(driver, batch).await?;
    // Attempt rows are rare: mostly one look tells that there is none to delete.
    let ends = !batch.outcomes.is_empty() || !batch.dead.is_empty();
    let attempts = ends && any_attempt(driver).await?;
    for row in &batch.outcomes {
        finish(driver, row).await?;
        if attempts {
            driver.execute(Sql::DeleteAttempt, &[row.seq.into()]).await?;
        }
    }
    for write in &batch.attempts {
        count_attempt(driver, write).await?;
    }
    for write in &batch.dead {
        bury(driver, write).await?;
        driver.execute(Sql::DeleteAttempt, &[write.seq.into()]).await?;
    }
    for write in &batch.holds {
        hold(driver, write).await?;
    }
    for write in &batch.redrives {
        redrive(driver, write).await?;
    }
    for write in &batch.reminders {
        remind(driver, write).await?;
    }
    remove(driver, &batch.removals).await?;
    for entity in &batch.forgotten {
        forget(driver, entity).await?;
    }
    for write in &batch.alive {
        set_alive(driver, write).await?;
    }
    take(driver, &batch.taken).await?;
    Ok(Committed { accepts })
}

async fn accept<D: Driver>(driver: &mut D, row: &RequestRow) -> Result<Accepted, StorageError> {
    let encoded = EncodedRequest::new(row);
    let mut is_stored = driver.execute(Sql::InsertRequest, &encoded.values()).await? == 1;
    if !is_stored {
        if let Some(found) = find_duplicate(driver, row).await? {
            return Ok(found);
        }
        // What was in the way may have been removed since: its time was over.
        is_stored = driver.execute(Sql::InsertRequest, &encoded.values()).await? == 1;
    }
    if !is_stored {
        let reason = format!("seq {} was given to two requests", row.seq);
        return Err(StorageError::Corrupt { table: "request", reason });
    }
    let shard = row.shard.as_u32().into();
    match row.due_at {
        None => driver.execute(Sql::InsertPending, &[row.seq.into(), shard]).await?,
        Some(due_at) => {
            driver.execute(Sql::InsertDue, &[row.seq.into(), shard, due_at.into()]).await?
        }
    };
    Ok(Accepted::New)
}

/// Finds out which row is in the way of a request.
async fn find_duplicate<D: Driver>(
    driver: &mut D,
    row: &RequestRow,
) -> Result<Option<Accepted>, StorageError> {
    let id = row.id.to_bytes();
    if let Some(found) = driver.first(Sql::RequestById, &[Value::Bytes(&id)], read_found).await? {
        return Ok(Some(known_by_id(row, found)));
    }
    let Some(key) = &row.key else { return Ok(None) };
    let digest = [Value::Bytes(key.digest.as_bytes())];
    let found = driver.first(Sql::RequestByKey, &digest, read_found).await?;
    Ok(found.map(|found| known_by_key(row, found)))
}

/// What it means that a request of this id is stored.
pub(crate) fn known_by_id(row: &RequestRow, found: FoundRequest) -> Accepted {
    match found.request.is_same_request(row) {
        true if found.request.seq == row.seq => Accepted::New,
        true => Accepted::SameId(known(found)),
        false => Accepted::IdCollision,
    }
}

/// What it means that a request with this digest of a key is stored.
pub(crate) fn known_by_key(row: &RequestRow, found: FoundRequest) -> Accepted {
    match found.request.has_key_of(row) {
        true => Accepted::SameKey(known(found)),
        false => Accepted::IdCollision,
    }
}

async fn write_state<D: Driver>(driver: &mut D, write: &StateWrite) -> Result<(), StorageError> {
    let (sql, values) = match is_first(write) {
        true => (Sql::InsertState, first_state_values(write)),
        false => (Sql::UpdateState, state_values(write)),
    };
    let changed = driver.execute(sql, &values).await?;
    if changed == 1 {
        return Ok(());
    }
    let stored = driver.first(Sql::State, &values[..2], read_version).await?;
    let (found, payload) = stored.unwrap_or_default();
    if found == write.to && payload == write.payload {
        return Ok(());
    }
    Err(StorageError::StateConflict {
        entity_type: write.key.entity_type.clone(),
        entity_id: write.key.entity_id.clone(),
        expected: write.from,
        found,
    })
}

async fn finish<D: Driver>(driver: &mut D, row: &OutcomeRow) -> Result<(), StorageError> {
    let seq = [row.seq.into()];
    let unfinished =
        stop_waiting(driver, row.seq).await? || driver.execute(Sql::DeleteDead, &seq).await? == 1;
    if unfinished {
        driver.execute(Sql::InsertOutcome, &outcome_values(row)).await?;
    }
    Ok(())
}

/// Takes a request from those that wait; says whether it was one of them.
async fn stop_waiting<D: Driver>(driver: &mut D, seq: Seq) -> Result<bool, StorageError> {
    let seq = [seq.into()];
    any_changed(driver, &[Sql::DeletePending, Sql::DeleteDue, Sql::DeleteHeld], &seq).await
}

/// Tries statements until one of them changes a row; says whether one did.
async fn any_changed<D: Driver>(
    driver: &mut D,
    statements: &[Sql],
    values: &[Value<'_>],
) -> Result<bool, StorageError> {
    for sql in statements {
        if driver.execute(*sql, values).await? == 1 {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn any_attempt<D: Driver>(driver: &mut D) -> Result<bool, StorageError> {
    Ok(driver.first(Sql::AnyAttempt, &[], read_integer).await?.is_some())
}

async fn count_attempt<D: Driver>(
    driver: &mut D,
    write: &AttemptWrite,
) -> Result<(), StorageError> {
    let values = [
        write.seq.into(),
        write.shard.as_u32().into(),
        integer(write.epoch.as_u64()).into(),
        write.attempts.into(),
        write.retry_at.into(),
        Value::Words(&write.error),
    ];
    let counted = driver.execute(Sql::CountAttempt, &values).await? == 1;
    if counted && write.in_order {
        // One that was due at a time stands in its place in the order from now on.
        if driver.execute(Sql::DeleteDue, &[write.seq.into()]).await? == 1 {
            let pending = [write.seq.into(), write.shard.as_u32().into()];
            driver.execute(Sql::InsertPending, &pending).await?;
        }
    } else if counted {
        driver.execute(Sql::DeletePending, &[write.seq.into()]).await?;
        let due = [write.seq.into(), write.shard.as_u32().into(), write.retry_at.into()];
        driver.execute(Sql::SetDue, &due).await?;
    }
    Ok(())
}

async fn bury<D: Driver>(driver: &mut D, write: &DeadWrite) -> Result<(), StorageError> {
    if stop_waiting(driver, write.seq).await? {
        let values = [
            write.seq.into(),
            write.shard.as_u32().into(),
            integer(write.epoch.as_u64()).into(),
            write.attempts.into(),
            write.died_at.into(),
            Value::Words(&write.error),
        ];
        driver.execute(Sql::InsertDead, &values).await?;
    }
    Ok(())
}

async fn hold<D: Driver>(driver: &mut D, write: &HoldWrite) -> Result<(), StorageError> {
    let seq = [write.seq.into()];
    if any_changed(driver, &[Sql::DeletePending, Sql::DeleteDue], &seq).await? {
        let (kind, missing) = write.missing.as_parts();
        let values = [
            write.seq.into(),
            write.shard.as_u32().into(),
            integer(write.epoch.as_u64()).into(),
            write.held_at.into(),
            kind.into(),
            Value::Bytes(missing.as_bytes()),
        ];
        driver.execute(Sql::InsertHeld, &values).await?;
    }
    Ok(())
}

async fn redrive<D: Driver>(driver: &mut D, write: &RedriveWrite) -> Result<(), StorageError> {
    let seq = write.seq.into();
    let left = match write.from {
        RedriveFrom::Dead(at) => driver.execute(Sql::RedriveDead, &[seq, at.into()]).await?,
        RedriveFrom::Finished(at) => driver.execute(Sql::ForgetOutcome, &[seq, at.into()]).await?,
        RedriveFrom::Held => driver.execute(Sql::DeleteHeld, &[seq]).await?,
    };
    if left == 0 {
        return Ok(());
    }
    driver.execute(Sql::DeleteAttempt, &[write.seq.into()]).await?;
    if let RedriveFrom::Finished(_) = write.from {
        // A stream begins anew; one that was given up goes on.
        driver.execute(Sql::DeleteChunks, &[write.seq.into()]).await?;
    }
    let (seq, shard) = (write.seq.into(), write.shard.as_u32().into());
    match write.due_at {
        None => driver.execute(Sql::InsertPending, &[seq, shard]).await,
        Some(at) => driver.execute(Sql::InsertDue, &[seq, shard, at.into()]).await,
    }
    .map(drop)
}

fn read_integer(columns: &dyn Columns) -> Result<i64, StorageError> {
    Reader::new(columns, "fence").integer(0)
}

fn read_version(columns: &dyn Columns) -> Result<(StateVersion, Vec<u8>), StorageError> {
    let read = Reader::new(columns, "state");
    Ok((StateVersion::new(read.number(0)?), read.bytes(1)?.to_vec()))
}
