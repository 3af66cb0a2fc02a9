//! Histories of executions: written and read here alone.

use cluster_core::id::{Epoch, ShardId};
use cluster_core::storage::{
    DeferredId, DeferredKind, DeferredRow, History, JournalEntry, JournalKind, StorageError,
};
use cluster_core::time::Timestamp;

use super::driver::Driver;
use super::sql::Sql;
use super::value::{Columns, Reader, Value, integer};

/// The values of an entry, in the order of its columns.
pub(crate) fn entry_values(entry: &JournalEntry) -> [Value<'_>; 10] {
    [
        entry.execution.into(),
        entry.position.into(),
        entry.shard.as_u32().into(),
        integer(entry.epoch.as_u64()).into(),
        entry.kind.as_u8().into(),
        entry.occurrence.into(),
        entry.recorded_at.into(),
        entry.due_at.into(),
        Value::Bytes(entry.name.as_bytes()),
        Value::Bytes(&entry.payload),
    ]
}

/// Writes an entry at its position.
pub(crate) async fn append<D: Driver>(
    driver: &mut D,
    entry: &JournalEntry,
) -> Result<(), StorageError> {
    let values = entry_values(entry);
    if driver.execute(Sql::InsertEntry, &values).await? == 1 {
        return Ok(());
    }
    match driver.first(Sql::Entry, &values[..2], read_entry).await? {
        Some(stored) if stored == *entry => Ok(()),
        _ => {
            let JournalEntry { execution, position, .. } = *entry;
            Err(StorageError::JournalConflict { execution, position })
        }
    }
}

/// Writes the completion of a deferred, unless there is one already, or nobody waits for it.
pub(crate) async fn complete<D: Driver>(
    driver: &mut D,
    row: &DeferredRow,
) -> Result<(), StorageError> {
    let values: [Value<'_>; 9] = [
        row.deferred.execution.into(),
        Value::Bytes(row.deferred.name.as_bytes()),
        row.deferred.occurrence.into(),
        Value::Bytes(&row.id.to_bytes()),
        row.shard.as_u32().into(),
        integer(row.epoch.as_u64()).into(),
        row.kind.as_u8().into(),
        row.completed_at.into(),
        Value::Bytes(&row.payload),
    ];
    driver.execute(Sql::InsertDeferred, &values).await.map(drop)
}

/// Puts a history together.
pub(crate) fn history(rows: Vec<JournalRow>) -> History {
    let mut history = History::default();
    for row in rows {
        match row {
            JournalRow::Entry(entry) => history.entries.push(entry),
            JournalRow::Deferred(deferred) => history.deferreds.push(deferred),
        }
    }
    // They come so already; the statement need not promise it.
    history.entries.sort_by_key(|entry| entry.position);
    history.deferreds.sort_by(|a, b| a.deferred.cmp(&b.deferred));
    history
}

/// A row of a history: an entry, or the completion of a deferred, which has an id.
pub(crate) enum JournalRow {
    Entry(JournalEntry),
    Deferred(DeferredRow),
}

pub(crate) fn read_row(columns: &dyn Columns) -> Result<JournalRow, StorageError> {
    match columns.bytes(10) {
        None => read_entry(columns).map(JournalRow::Entry),
        Some(_) => read_deferred(columns).map(JournalRow::Deferred),
    }
}

pub(crate) fn read_deferred(columns: &dyn Columns) -> Result<DeferredRow, StorageError> {
    let read = Reader::new(columns, "deferred");
    let kind = DeferredKind::from_u8(read.number(4)?);
    Ok(DeferredRow {
        deferred: DeferredId {
            execution: read.seq(0)?,
            name: read.shared_text(8)?,
            occurrence: read.number(5)?,
        },
        id: read.request_id(10)?,
        shard: ShardId::new(read.number(2)?),
        epoch: Epoch::new(read.number(3)?),
        kind: kind.ok_or_else(|| read.corrupt("an unknown kind of completion"))?,
        completed_at: read.time(6)?,
        payload: read.payload(9)?,
    })
}

fn read_entry(columns: &dyn Columns) -> Result<JournalEntry, StorageError> {
    let read = Reader::new(columns, "journal");
    let kind = JournalKind::from_u8(read.number(4)?);
    Ok(JournalEntry {
        execution: read.seq(0)?,
        position: read.number(1)?,
        shard: ShardId::new(read.number(2)?),
        epoch: Epoch::new(read.number(3)?),
        kind: kind.ok_or_else(|| read.corrupt("an unknown kind of entry"))?,
        occurrence: read.number(5)?,
        recorded_at: read.time(6)?,
        due_at: read.integer_or_null(7).map(Timestamp::from_unix_ms),
        name: read.shared_text(8)?,
        payload: read.payload(9)?,
    })
}
