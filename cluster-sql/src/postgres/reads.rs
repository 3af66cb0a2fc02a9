//! What is read, each by one statement.

use cluster_core::id::{KeyDigest, RequestId, Seq};
use cluster_core::storage::{
    AliveScan, ChunkRow, ChunkScan, ContractRow, DeadLetterRow, DeferredId, DeferredRow, DueScan,
    EntityRequest, EntityScan, Fence, FoundRequest, HeldRow, History, PageRoom, PendingRequest,
    PendingScan, ReminderKey, ReminderRow, StateKey, StateRow, StorageError,
};
use cluster_core::time::Timestamp;

use super::dialect::PostgresDialect;
use super::error::sure;
use super::parameter::Array;
use super::session::{Answer, Session};
use super::texts::Own;
use crate::alive::{alive_values, read_alive};
use crate::batch::check_fence;
use crate::chunks::read_chunk;
use crate::contracts::read_contract;
use crate::dialect::Dialect;
use crate::entity::{
    read_end_of_window, read_reminder, read_request_of, scan_values, window_values,
};
use crate::journal::{history, read_deferred, read_row};
use crate::rows::{
    REQUEST_COLUMNS, if_readable, read_dead_letter, read_found, read_held, read_pending, read_state,
};
use crate::sql::Sql;
use crate::value::{Columns, Reader, Value, integer};

/// The order of a page by place in the owner's order.
const BY_SEQ: &[usize] = &[0];
/// The order of a page by time.
const BY_TIME: &[usize] = &[REQUEST_COLUMNS + 1, 0];

/// Cluster time.
pub(super) async fn time(session: &mut Session) -> Result<Timestamp, StorageError> {
    let text = session.texts.own(Own::Time).clone();
    let rows = session.rows(&text, session.arguments()).await.map_err(sure)?;
    let ms = rows.first().and_then(|row| row.integer(0));
    let corrupt = || StorageError::Corrupt { table: "meta", reason: "no time".to_owned() };
    ms.map(Timestamp::from_unix_ms).ok_or_else(corrupt)
}

/// Answers in the order of the questions; the place of its question is the column `place` of a
/// row.
async fn answers<T>(
    session: &mut Session,
    own: Own,
    arrays: impl IntoIterator<Item = Array<'_>>,
    many: usize,
    place: usize,
    read: impl Fn(&dyn Columns) -> Result<T, StorageError>,
) -> Result<Vec<Option<T>>, StorageError> {
    let mut answers: Vec<Option<T>> = (0..many).map(|_| None).collect();
    if many == 0 {
        return Ok(answers);
    }
    let mut arguments = session.arguments();
    for array in arrays {
        arguments.add_array(array);
    }
    let text = session.texts.own(own).clone();
    for row in &session.rows(&text, arguments).await.map_err(sure)? {
        let place: usize = Reader::new(row, "request").number(place)?;
        // Counted from one.
        if let Some(answer) = answers.get_mut(place - 1) {
            *answer = Some(read(row)?);
        }
    }
    Ok(answers)
}

pub(super) async fn find_requests(
    session: &mut Session,
    ids: &[RequestId],
) -> Result<Vec<Option<FoundRequest>>, StorageError> {
    let bytes: Vec<[u8; 16]> = ids.iter().map(|id| id.to_bytes()).collect();
    let array = Array::bytes(bytes.iter().map(|id| &id[..]));
    answers(session, Own::Requests, [array], ids.len(), REQUEST_COLUMNS + 6, read_found).await
}

pub(super) async fn find_keys(
    session: &mut Session,
    digests: &[KeyDigest],
) -> Result<Vec<Option<FoundRequest>>, StorageError> {
    let array = Array::bytes(digests.iter().map(|digest| &digest.as_bytes()[..]));
    answers(session, Own::Keys, [array], digests.len(), REQUEST_COLUMNS + 6, read_found).await
}

pub(super) async fn load_states(
    session: &mut Session,
    keys: &[StateKey],
) -> Result<Vec<Option<StateRow>>, StorageError> {
    let types = Array::bytes(keys.iter().map(|key| key.entity_type.as_bytes()));
    let ids = Array::bytes(keys.iter().map(|key| key.entity_id.as_str().as_bytes()));
    answers(session, Own::States, [types, ids], keys.len(), 2, read_state).await
}

pub(super) async fn find_deferreds(
    session: &mut Session,
    deferreds: &[DeferredId],
) -> Result<Vec<Option<DeferredRow>>, StorageError> {
    let arrays = [
        Array::integers(deferreds.iter().map(|id| integer(id.execution.as_u64()))),
        Array::bytes(deferreds.iter().map(|id| id.name.as_bytes())),
        Array::integers(deferreds.iter().map(|id| id.occurrence.into())),
    ];
    answers(session, Own::Deferreds, arrays, deferreds.len(), 11, read_deferred).await
}

pub(super) async fn find_reminders(
    session: &mut Session,
    keys: &[ReminderKey],
) -> Result<Vec<Option<ReminderRow>>, StorageError> {
    let arrays = [
        Array::bytes(keys.iter().map(|key| key.entity.entity_type.as_bytes())),
        Array::bytes(keys.iter().map(|key| key.entity.entity_id.as_str().as_bytes())),
        Array::integers(keys.iter().map(|key| key.message.as_u64().cast_signed())),
    ];
    answers(session, Own::Reminders, arrays, keys.len(), 2, read_reminder).await
}

/// Looks at one window of rows; the second is where it has ended, if there may be more.
pub(super) async fn requests_of(
    session: &mut Session,
    scan: &EntityScan,
) -> Result<(Vec<EntityRequest>, Option<Seq>), StorageError> {
    let end = session.all(Sql::EndOfWindow, &window_values(scan), read_end_of_window).await?;
    let end = end.first().copied();
    let found = session.all(Sql::RequestsOf, &scan_values(scan, end), read_request_of).await?;
    Ok((found, end))
}

pub(super) async fn load_kept_alive(
    session: &mut Session,
    fence: Fence,
    scan: &AliveScan,
) -> Result<Vec<StateKey>, StorageError> {
    let page = session.all(Sql::LoadAlive, &alive_values(fence, scan), read_alive).await?;
    // It held while that was read: once lost, a fence is lost for ever.
    check_fence(session, fence).await?;
    Ok(page)
}

pub(super) async fn load_journal(
    session: &mut Session,
    execution: Seq,
) -> Result<History, StorageError> {
    session.all(Sql::Journal, &[execution.into()], read_row).await.map(history)
}

pub(super) async fn load_chunks(
    session: &mut Session,
    scan: &ChunkScan,
) -> Result<Vec<ChunkRow>, StorageError> {
    let after = i64::try_from(scan.after).unwrap_or(i64::MAX);
    let values = [scan.seq.into(), after.into(), limit(scan.limit)];
    let mut chunks = session.all(Sql::LoadChunks, &values, read_chunk).await?;
    let mut bytes = 0;
    let full = chunks.iter().position(|row| {
        bytes += row.payload.len();
        bytes >= scan.bytes
    });
    chunks.truncate(full.map_or(chunks.len(), |last| last + 1));
    Ok(chunks)
}

pub(super) async fn contracts(session: &mut Session) -> Result<Vec<ContractRow>, StorageError> {
    session.all(Sql::Contracts, &[], read_contract).await
}

pub(super) async fn load_pending(
    session: &mut Session,
    fence: Fence,
    scan: &PendingScan,
) -> Result<Vec<PendingRequest>, StorageError> {
    let entity = scan.entity.as_ref();
    let values = [
        scan.after.into(),
        limit(scan.limit),
        integer(fence.incarnation.as_u64()).into(),
        entity.map(|key| key.shard.as_u32()).into(),
        entity.map(|key| key.entity_type.as_bytes()).into(),
        entity.map(|key| &key.entity_id).into(),
        limit(scan.bytes),
    ];
    let fills = fills(scan.room());
    let page = page(session, Sql::LoadPending, &values, BY_SEQ, read_pending, fills).await?;
    // It held while that was read: once lost, a fence is lost for ever.
    check_fence(session, fence).await?;
    Ok(page)
}

pub(super) async fn load_due(
    session: &mut Session,
    fence: Fence,
    scan: DueScan,
) -> Result<Vec<PendingRequest>, StorageError> {
    let values = [
        scan.after.at.into(),
        scan.after.seq.into(),
        limit(scan.limit),
        integer(fence.incarnation.as_u64()).into(),
        limit(scan.bytes),
    ];
    let fills = fills(scan.room());
    let page = page(session, Sql::LoadDue, &values, BY_TIME, read_pending, fills).await?;
    check_fence(session, fence).await?;
    Ok(page)
}

pub(super) async fn dead_letters(
    session: &mut Session,
    after: Seq,
    at_most: usize,
) -> Result<Vec<DeadLetterRow>, StorageError> {
    let values = [after.into(), limit(at_most)];
    page(session, Sql::DeadLetters, &values, BY_SEQ, read_dead_letter, counts(at_most)).await
}

pub(super) async fn held(
    session: &mut Session,
    after: Seq,
    at_most: usize,
) -> Result<Vec<HeldRow>, StorageError> {
    let values = [after.into(), limit(at_most)];
    page(session, Sql::Held, &values, BY_SEQ, read_held, counts(at_most)).await
}

/// Runs a query for a page of requests, whose first values are after which one: those of its
/// columns `order`. Keeps those up to the one that fills the page.
///
/// One that cannot be read is reported and passed, for it must not keep those behind it from
/// running; others take its place, for a page that is not full is the last one.
async fn page<T>(
    session: &mut Session,
    sql: Sql,
    values: &[Value<'_>],
    order: &[usize],
    read: impl Fn(&dyn Columns) -> Result<T, StorageError>,
    mut fills: impl FnMut(&T) -> bool,
) -> Result<Vec<T>, StorageError> {
    let mut values = values.to_vec();
    let mut page = Vec::new();
    let text = session.texts.common.text(sql).clone();
    loop {
        let rows = session.rows(&text, session.plain(&values)).await.map_err(sure)?;
        let mut passed = false;
        for row in &rows {
            let seq = Reader::new(row, "request").seq(0)?;
            match if_readable(PostgresDialect::KIND, seq, read(row))? {
                Some(found) => {
                    let full = fills(&found);
                    page.push(found);
                    if full {
                        return Ok(page);
                    }
                }
                None => passed = true,
            }
        }
        match rows.last() {
            Some(last) if passed => continue_after(&mut values, last, order)?,
            _ => return Ok(page),
        }
    }
}

fn continue_after(
    values: &mut [Value<'_>],
    last: &Answer,
    order: &[usize],
) -> Result<(), StorageError> {
    let reader = Reader::new(last, "request");
    for (value, at) in values.iter_mut().zip(order) {
        *value = Value::Integer(reader.integer(*at)?);
    }
    Ok(())
}

/// Says of each request in turn whether it fills the page.
fn fills(mut room: PageRoom) -> impl FnMut(&PendingRequest) -> bool {
    move |found| {
        room.take(&found.request);
        !room.is_left()
    }
}

/// Says of each row in turn whether it is the last one wanted.
fn counts<T>(mut room: usize) -> impl FnMut(&T) -> bool {
    move |_| {
        room = room.saturating_sub(1);
        room == 0
    }
}

/// A number of rows or bytes.
pub(super) fn limit(many: usize) -> Value<'static> {
    Value::Integer(i64::try_from(many).unwrap_or(i64::MAX))
}
