//! What is read, each by one statement.

use cluster_core::id::Seq;
use cluster_core::storage::{
    AliveScan, ChunkRow, ChunkScan, ContractRow, DeadLetterRow, DueScan, EntityRequest, EntityScan,
    Fence, HeldRow, History, InboxNumber, InboxRow, PageRoom, PendingRequest, PendingScan,
    StateKey, StorageError,
};
use cluster_core::time::ClusterTime;

use super::session::ServerSession;
use crate::alive::{alive_values, read_alive};
use crate::batch::check_fence;
use crate::chunks::read_chunk;
use crate::contracts::read_contract;
use crate::dialect::Dialect;
use crate::entity::{read_end_of_window, read_request_of, scan_values, window_values};
use crate::inbox::{inbox_values, read_inbox_row};
use crate::journal::{history, read_row};
use crate::rows::{
    REQUEST_COLUMNS, if_readable, pending_values, read_dead_letter, read_held, read_pending,
};
use crate::sql::Sql;
use crate::value::{Columns, Reader, Value, integer, limit};

/// The order of a page by place in the owner's order.
const BY_SEQ: &[usize] = &[0];
/// Where a row of pending requests says up to which one the statement has looked, if there may be
/// more behind it.
const REACHED: usize = REQUEST_COLUMNS + 2;
/// The order of a page by time.
const BY_TIME: &[usize] = &[REQUEST_COLUMNS + 1, 0];

/// Cluster time, the one row of its query.
pub(crate) fn read_time(rows: &[impl Columns]) -> Result<ClusterTime, StorageError> {
    let corrupt = || StorageError::Corrupt { table: "meta", reason: "no time".to_owned() };
    let read = Reader::new(rows.first().ok_or_else(corrupt)?, "meta");
    Ok(ClusterTime::of(read.time(0)?, read.integer(1)?))
}

/// Looks at one window of rows; the second is where it has ended, if there may be more.
pub(crate) async fn requests_of<S: ServerSession>(
    session: &mut S,
    scan: &EntityScan,
) -> Result<(Vec<EntityRequest>, Option<Seq>), StorageError> {
    let end = session.all(Sql::EndOfWindow, &window_values(scan), read_end_of_window).await?;
    let end = end.first().copied();
    let found = session.all(Sql::RequestsOf, &scan_values(scan, end), read_request_of).await?;
    Ok((found, end))
}

pub(crate) async fn load_kept_alive<S: ServerSession>(
    session: &mut S,
    fence: Fence,
    scan: &AliveScan,
) -> Result<Vec<StateKey>, StorageError> {
    let page = session.all(Sql::LoadAlive, &alive_values(fence, scan), read_alive).await?;
    // It held while that was read: once lost, a fence is lost for ever.
    check_fence(session, fence).await?;
    Ok(page)
}

pub(crate) async fn load_journal<S: ServerSession>(
    session: &mut S,
    execution: Seq,
) -> Result<History, StorageError> {
    session.all(Sql::Journal, &[execution.into()], read_row).await.map(history)
}

pub(crate) async fn load_chunks<S: ServerSession>(
    session: &mut S,
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

pub(crate) async fn contracts<S: ServerSession>(
    session: &mut S,
) -> Result<Vec<ContractRow>, StorageError> {
    session.all(Sql::Contracts, &[], read_contract).await
}

/// Loads a page of those that wait for their turn; with what the database's own statement is given
/// besides.
pub(crate) async fn load_pending<S: ServerSession>(
    session: &mut S,
    fence: Fence,
    scan: &PendingScan,
    besides: &[Value<'_>],
) -> Result<Vec<PendingRequest>, StorageError> {
    let (sql, mut values) = pending_values(fence, scan);
    values.push(limit(scan.bytes));
    values.extend(besides);
    let page = page(session, sql, &values, BY_SEQ, read_pending, fills(scan.room())).await?;
    // It held while that was read: once lost, a fence is lost for ever.
    check_fence(session, fence).await?;
    Ok(page)
}

pub(crate) async fn load_due<S: ServerSession>(
    session: &mut S,
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

pub(crate) async fn dead_letters<S: ServerSession>(
    session: &mut S,
    after: Seq,
    at_most: usize,
) -> Result<Vec<DeadLetterRow>, StorageError> {
    let values = [after.into(), limit(at_most)];
    page(session, Sql::DeadLetters, &values, BY_SEQ, read_dead_letter, counts(at_most)).await
}

pub(crate) async fn held<S: ServerSession>(
    session: &mut S,
    after: Seq,
    at_most: usize,
) -> Result<Vec<HeldRow>, StorageError> {
    let values = [after.into(), limit(at_most)];
    page(session, Sql::Held, &values, BY_SEQ, read_held, counts(at_most)).await
}

pub(crate) async fn inbox<S: ServerSession>(
    session: &mut S,
    after: InboxNumber,
    at_most: usize,
) -> Result<Vec<InboxRow>, StorageError> {
    session.all(Sql::Inbox, &inbox_values(after, at_most), read_inbox_row).await
}

/// Runs a query for a page of requests, whose first values are after which one: those of its
/// columns `order`. Keeps those up to the one that fills the page.
///
/// One that cannot be read is reported and passed, for it must not keep those behind it from
/// running; others take its place, for a page that is not full is the last one. For that also goes
/// on what looks at a part of the requests at a time, and maybe found nothing in it.
async fn page<S: ServerSession, T>(
    session: &mut S,
    sql: Sql,
    values: &[Value<'_>],
    order: &[usize],
    read: impl Fn(&dyn Columns) -> Result<T, StorageError>,
    mut fills: impl FnMut(&T) -> bool,
) -> Result<Vec<T>, StorageError> {
    let mut values = values.to_vec();
    let mut page = Vec::new();
    loop {
        let rows = session.query(sql, &values).await?;
        let mut passed = None;
        for row in rows.iter().filter(|row| row.integer(0).is_some()) {
            let seq = Reader::new(row, "request").seq(0)?;
            match if_readable(S::Dialect::KIND, seq, read(row))? {
                Some(found) => {
                    let full = fills(&found);
                    page.push(found);
                    if full {
                        return Ok(page);
                    }
                }
                None => passed = rows.last(),
            }
        }
        let end = rows.last().filter(|_| matches!(sql, Sql::LoadPending | Sql::LoadPendingOf));
        let reached = end.and_then(|row| row.integer(REACHED));
        match (passed, reached) {
            (Some(last), _) => continue_after(&mut values, last, order)?,
            (None, Some(reached)) => values[0] = reached.into(),
            (None, None) => return Ok(page),
        }
    }
}

fn continue_after(
    values: &mut [Value<'_>],
    last: &dyn Columns,
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
