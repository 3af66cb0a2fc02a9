//! What is read, each by one statement.

use std::collections::HashMap;
use std::hash::Hash;

use cluster_core::id::{KeyDigest, RequestId, Seq};
use cluster_core::storage::{
    AliveScan, ChunkRow, ChunkScan, ContractRow, DeadLetterRow, DeferredId, DeferredRow, DueScan,
    EntityRequest, EntityScan, Fence, FoundRequest, HeldRow, History, PageRoom, PendingRequest,
    PendingScan, ReminderKey, ReminderRow, StateKey, StateRow, StorageError,
};
use cluster_core::time::Timestamp;
use sqlx::mysql::MySqlRow;

use super::dialect::MySqlDialect;
use super::error::sure;
use super::literal::push;
use super::session::Session;
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

/// How many questions go into one statement: few enough that each is looked up by itself.
const QUESTIONS_MAX: usize = 100;

/// Cluster time.
pub(super) async fn time(session: &mut Session) -> Result<Timestamp, StorageError> {
    let rows = session.rows_of(Own::Time, &[]).await?;
    let ms = rows.first().and_then(|row| row.integer(0));
    let corrupt = || StorageError::Corrupt { table: "meta", reason: "no time".to_owned() };
    ms.map(Timestamp::from_unix_ms).ok_or_else(corrupt)
}

/// Answers in the order of the questions. `ask` writes a question, and `asked` tells which one a
/// row answers.
async fn answers<Q: Eq + Hash, T: Clone>(
    session: &mut Session,
    own: Own,
    questions: Vec<Q>,
    between: &str,
    ask: impl Fn(&mut String, &Q),
    asked: impl Fn(&dyn Columns) -> Result<Q, StorageError>,
    read: impl Fn(&dyn Columns) -> Result<T, StorageError>,
) -> Result<Vec<Option<T>>, StorageError> {
    let mut answers = HashMap::with_capacity(questions.len());
    for part in questions.chunks(QUESTIONS_MAX) {
        let mut list = String::new();
        for (at, question) in part.iter().enumerate() {
            if at > 0 {
                list.push_str(between);
            }
            ask(&mut list, question);
        }
        let text = session.texts.with_list(own, &list);
        for row in &session.ask(text).await.map_err(sure)? {
            answers.insert(asked(row)?, read(row)?);
        }
    }
    Ok(questions.iter().map(|question| answers.get(question).cloned()).collect())
}

pub(super) async fn find_requests(
    session: &mut Session,
    ids: &[RequestId],
) -> Result<Vec<Option<FoundRequest>>, StorageError> {
    let ask = |text: &mut String, id: &RequestId| push(text, &Value::Bytes(&id.to_bytes()));
    let asked = |row: &dyn Columns| Reader::new(row, "request").request_id(1);
    answers(session, Own::Requests, ids.to_vec(), ",", ask, asked, read_found).await
}

pub(super) async fn find_keys(
    session: &mut Session,
    digests: &[KeyDigest],
) -> Result<Vec<Option<FoundRequest>>, StorageError> {
    let digests = digests.iter().map(|digest| *digest.as_bytes()).collect();
    let ask = |text: &mut String, digest: &[u8; 32]| push(text, &Value::Bytes(digest));
    let asked = |row: &dyn Columns| Reader::new(row, "request").array(11);
    answers(session, Own::Keys, digests, ",", ask, asked, read_found).await
}

/// Type and id of an entity.
type Names = (Vec<u8>, Vec<u8>);

fn names(key: &StateKey) -> Names {
    (key.entity_type.as_bytes().to_vec(), key.entity_id.as_str().as_bytes().to_vec())
}

fn push_names(text: &mut String, (entity_type, entity_id): &Names) {
    text.push_str("entity_type = ");
    push(text, &Value::Bytes(entity_type));
    text.push_str(" AND entity_id = ");
    push(text, &Value::Bytes(entity_id));
}

fn read_names(row: &dyn Columns, table: &'static str, at: usize) -> Result<Names, StorageError> {
    let read = Reader::new(row, table);
    Ok((read.bytes(at)?.to_vec(), read.bytes(at + 1)?.to_vec()))
}

pub(super) async fn load_states(
    session: &mut Session,
    keys: &[StateKey],
) -> Result<Vec<Option<StateRow>>, StorageError> {
    let keys = keys.iter().map(names).collect();
    let asked = |row: &dyn Columns| read_names(row, "state", 2);
    answers(session, Own::States, keys, " OR ", push_names, asked, read_state).await
}

pub(super) async fn find_reminders(
    session: &mut Session,
    keys: &[ReminderKey],
) -> Result<Vec<Option<ReminderRow>>, StorageError> {
    let key = |key: &ReminderKey| (names(&key.entity), key.message.as_u64().cast_signed());
    let ask = |text: &mut String, (names, message): &(Names, i64)| {
        push_names(text, names);
        text.push_str(" AND message = ");
        push(text, &Value::Integer(*message));
    };
    let asked = |row: &dyn Columns| {
        let message = Reader::new(row, "reminder").integer(4)?;
        Ok((read_names(row, "reminder", 2)?, message))
    };
    let keys = keys.iter().map(key).collect();
    answers(session, Own::Reminders, keys, " OR ", ask, asked, read_reminder).await
}

pub(super) async fn find_deferreds(
    session: &mut Session,
    deferreds: &[DeferredId],
) -> Result<Vec<Option<DeferredRow>>, StorageError> {
    let key = |id: &DeferredId| {
        let name = id.name.as_bytes().to_vec();
        (integer(id.execution.as_u64()), name, i64::from(id.occurrence))
    };
    let ask = |text: &mut String, (execution, name, occurrence): &(i64, Vec<u8>, i64)| {
        text.push_str("execution = ");
        push(text, &Value::Integer(*execution));
        text.push_str(" AND name = ");
        push(text, &Value::Bytes(name));
        text.push_str(" AND occurrence = ");
        push(text, &Value::Integer(*occurrence));
    };
    let asked = |row: &dyn Columns| {
        let read = Reader::new(row, "deferred");
        Ok((read.integer(0)?, read.bytes(8)?.to_vec(), read.integer(5)?))
    };
    let keys = deferreds.iter().map(key).collect();
    answers(session, Own::Deferreds, keys, " OR ", ask, asked, read_deferred).await
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

/// The lowest mark of the shards of an incarnation.
pub(super) async fn lowest_mark(session: &mut Session, fence: Fence) -> Result<i64, StorageError> {
    let owner = [integer(fence.incarnation.as_u64()).into()];
    let rows = session.rows_of(Own::LowestMark, &owner).await?;
    Ok(rows.first().and_then(|row| row.integer(0)).unwrap_or(0))
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
        // A mark moves over what is registered before: with an older one more is looked at.
        lowest_mark(session, fence).await?.into(),
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
    loop {
        let rows = session.rows(sql, &values).await?;
        let mut passed = false;
        for row in &rows {
            let seq = Reader::new(row, "request").seq(0)?;
            match if_readable(MySqlDialect::KIND, seq, read(row))? {
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
    last: &MySqlRow,
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
