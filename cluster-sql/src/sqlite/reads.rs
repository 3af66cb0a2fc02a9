//! What the reading connection answers.

use cluster_core::id::{RequestId, Seq, StateVersion};
use cluster_core::storage::{
    DeadLetterRow, Fence, FoundRequest, PageRoom, PendingRequest, PendingScan, StateKey, StateRow,
    StorageError,
};
use cluster_core::time::Timestamp;

use super::batch::check_fence;
use super::driver::at_once;
use super::rows::{REQUEST_COLUMNS, read_found, read_request};
use super::session::Session;
use super::sql::Sql;
use super::value::{Columns, Reader, Value, integer};

impl Session<'_> {
    /// A page of pending requests: those that may run at once and those that have become due, each
    /// in order, merged.
    pub(super) fn load_pending(
        &mut self,
        fence: Fence,
        scan: &PendingScan,
        now: Timestamp,
    ) -> Result<Vec<PendingRequest>, StorageError> {
        at_once(check_fence(self, fence))?;
        let entity = scan.entity.as_ref();
        let values: [Value<'_>; 7] = [
            scan.after.into(),
            limit(scan.limit),
            integer(fence.incarnation.as_u64()).into(),
            entity.map(|key| key.shard.as_u32()).into(),
            entity.map(|key| key.entity_type.as_bytes()).into(),
            entity.map(|key| &key.entity_id).into(),
            now.into(),
        ];
        let mut pending = self.page(Sql::LoadPending, &values[..6], scan.room())?;
        let due = self.page(Sql::LoadDue, &values, scan.room())?;
        if !due.is_empty() {
            pending.extend(due);
            pending.sort_by_key(|found| found.request.seq);
            let mut room = scan.room();
            let fitting = pending.iter().take_while(|found| {
                let fits = room.is_left();
                room.take(&found.request);
                fits
            });
            let rows = fitting.count();
            pending.truncate(rows);
        }
        Ok(pending)
    }

    /// Reads pending requests while there is room.
    fn page(
        &mut self,
        sql: Sql,
        values: &[Value<'_>],
        mut room: PageRoom,
    ) -> Result<Vec<PendingRequest>, StorageError> {
        self.all_until(sql, values, read_pending, |found| {
            room.take(&found.request);
            !room.is_left()
        })
    }

    pub(super) fn find_requests(
        &mut self,
        ids: &[RequestId],
    ) -> Result<Vec<Option<FoundRequest>>, StorageError> {
        ids.iter()
            .map(|id| self.first(Sql::RequestById, &[Value::Bytes(&id.to_bytes())], read_found))
            .collect()
    }

    pub(super) fn load_states(
        &mut self,
        keys: &[StateKey],
    ) -> Result<Vec<Option<StateRow>>, StorageError> {
        keys.iter()
            .map(|key| {
                let entity_type = Value::Bytes(key.entity_type.as_bytes());
                self.first(Sql::State, &[entity_type, (&key.entity_id).into()], read_state)
            })
            .collect()
    }

    pub(super) fn dead_letters(
        &mut self,
        after: Seq,
        at_most: usize,
    ) -> Result<Vec<DeadLetterRow>, StorageError> {
        self.all(Sql::DeadLetters, &[after.into(), limit(at_most)], read_dead_letter)
    }
}

fn limit(rows: usize) -> Value<'static> {
    Value::Integer(i64::try_from(rows).unwrap_or(i64::MAX))
}

fn read_pending(columns: &dyn Columns) -> Result<PendingRequest, StorageError> {
    let request = read_request(columns)?;
    let read = Reader::new(columns, "attempt");
    let attempts = match read.integer_or_null(REQUEST_COLUMNS) {
        None => 0,
        Some(_) => read.number(REQUEST_COLUMNS)?,
    };
    let retry_at = read.integer_or_null(REQUEST_COLUMNS + 1).map(Timestamp::from_unix_ms);
    Ok(PendingRequest { request, attempts, retry_at })
}

fn read_state(columns: &dyn Columns) -> Result<StateRow, StorageError> {
    let read = Reader::new(columns, "state");
    Ok(StateRow { version: StateVersion::new(read.number(0)?), payload: read.payload(1)? })
}

fn read_dead_letter(columns: &dyn Columns) -> Result<DeadLetterRow, StorageError> {
    let request = read_request(columns)?;
    let read = Reader::new(columns, "dead");
    Ok(DeadLetterRow {
        request,
        attempts: read.number(REQUEST_COLUMNS)?,
        died_at: read.time(REQUEST_COLUMNS + 1)?,
        error: read.text(REQUEST_COLUMNS + 2)?.to_owned(),
    })
}
