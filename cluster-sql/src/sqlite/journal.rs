//! Histories of executions: written and read here alone.

use cluster_core::id::{Epoch, Seq, ShardId};
use cluster_core::storage::{
    DeferredId, DeferredKind, DeferredRow, History, JournalEntry, JournalKind, StorageError,
};
use cluster_core::time::Timestamp;

use super::driver::Driver;
use super::session::Session;
use super::sql::Sql;
use super::value::{Columns, Reader, Value, integer};

/// Writes an entry at its position.
pub(super) async fn append<D: Driver>(
    driver: &mut D,
    entry: &JournalEntry,
) -> Result<(), StorageError> {
    let values: [Value<'_>; 10] = [
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
    ];
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
pub(super) async fn complete<D: Driver>(
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

impl Session<'_> {
    pub(super) fn load_journal(&mut self, execution: Seq) -> Result<History, StorageError> {
        let rows = self.all(Sql::Journal, &[execution.into()], read_row)?;
        let mut history = History::default();
        for row in rows {
            match row {
                Row::Entry(entry) => history.entries.push(entry),
                Row::Deferred(deferred) => history.deferreds.push(deferred),
            }
        }
        // They come so already; the statement need not promise it.
        history.entries.sort_by_key(|entry| entry.position);
        history.deferreds.sort_by(|a, b| a.deferred.cmp(&b.deferred));
        Ok(history)
    }

    pub(super) fn find_deferreds(
        &mut self,
        deferreds: &[DeferredId],
    ) -> Result<Vec<Option<DeferredRow>>, StorageError> {
        let find = |DeferredId { execution, name, occurrence }: &DeferredId| {
            let values = [(*execution).into(), Value::Bytes(name.as_bytes()), (*occurrence).into()];
            self.first(Sql::Deferred, &values, read_deferred)
        };
        deferreds.iter().map(find).collect()
    }

    /// Removes the histories of executions that are past.
    pub(super) fn remove_journals(&mut self, executions: &[Seq]) -> Result<(), StorageError> {
        let removals =
            [(Sql::AnyEntry, Sql::DeleteJournal), (Sql::AnyDeferred, Sql::DeleteDeferreds)];
        for (any, delete) in removals {
            // Most clusters have no workflow: one look spares a statement for each request.
            if self.first(any, &[], |_| Ok(()))?.is_some() {
                for seq in executions {
                    self.execute(delete, &[(*seq).into()])?;
                }
            }
        }
        Ok(())
    }
}

enum Row {
    Entry(JournalEntry),
    Deferred(DeferredRow),
}

fn read_row(columns: &dyn Columns) -> Result<Row, StorageError> {
    match columns.bytes(10) {
        None => read_entry(columns).map(Row::Entry),
        Some(_) => read_deferred(columns).map(Row::Deferred),
    }
}

fn read_deferred(columns: &dyn Columns) -> Result<DeferredRow, StorageError> {
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
