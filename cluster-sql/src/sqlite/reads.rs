//! What the reading connection answers.

use cluster_core::id::{KeyDigest, RequestId, Seq, StateVersion};
use cluster_core::metric::UNREADABLE;
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
use super::storage::KIND;
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
        let mut pending =
            self.page(Sql::LoadPending, &values[..6], read_pending, fills(scan.room()))?;
        let due = self.page(Sql::LoadDue, &values, read_pending, fills(scan.room()))?;
        if !due.is_empty() {
            pending.extend(due);
            pending.sort_by_key(|found| found.request.seq);
            if let Some(last) = pending.iter().position(fills(scan.room())) {
                pending.truncate(last + 1);
            }
        }
        Ok(pending)
    }

    /// Runs a query for a page of requests, whose first two values are after which one and how
    /// many, and reads up to the one that fills the page.
    ///
    /// One that cannot be read is reported and passed, for it must not keep those behind it from
    /// running; others take its place, for a page that is not full is the last one.
    fn page<T>(
        &mut self,
        sql: Sql,
        values: &[Value<'_>],
        read: impl Fn(&dyn Columns) -> Result<T, StorageError>,
        mut fills: impl FnMut(&T) -> bool,
    ) -> Result<Vec<T>, StorageError> {
        let mut values = values.to_vec();
        let (mut page, mut full) = (Vec::new(), false);
        loop {
            let read_row = |columns: &dyn Columns| {
                let seq = Reader::new(columns, "request").seq(0)?;
                Ok((seq, if_readable(seq, read(columns))?))
            };
            let rows = self.all_until(sql, &values, read_row, |(_, row)| {
                full = row.as_ref().is_some_and(&mut fills);
                full
            })?;
            let passed = rows.iter().any(|(_, row)| row.is_none());
            let last = rows.last().map(|(seq, _)| *seq);
            page.extend(rows.into_iter().filter_map(|(_, row)| row));
            match last {
                Some(last) if passed && !full => values[0] = last.into(),
                _ => return Ok(page),
            }
        }
    }

    pub(super) fn find_requests(
        &mut self,
        ids: &[RequestId],
    ) -> Result<Vec<Option<FoundRequest>>, StorageError> {
        ids.iter()
            .map(|id| self.first(Sql::RequestById, &[Value::Bytes(&id.to_bytes())], read_found))
            .collect()
    }

    pub(super) fn find_keys(
        &mut self,
        digests: &[KeyDigest],
    ) -> Result<Vec<Option<FoundRequest>>, StorageError> {
        let digests = digests.iter().map(|digest| [Value::Bytes(digest.as_bytes())]);
        digests.map(|digest| self.first(Sql::RequestByKey, &digest, read_found)).collect()
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
        let mut room = at_most;
        self.page(Sql::DeadLetters, &[after.into(), limit(at_most)], read_dead_letter, |_| {
            room = room.saturating_sub(1);
            room == 0
        })
    }
}

/// Says of each request in turn whether it fills the page.
fn fills(mut room: PageRoom) -> impl FnMut(&PendingRequest) -> bool {
    move |found| {
        room.take(&found.request);
        !room.is_left()
    }
}

fn limit(rows: usize) -> Value<'static> {
    Value::Integer(i64::try_from(rows).unwrap_or(i64::MAX))
}

/// The row, or `None` for one that cannot be read. Its content is not told: it is the users'.
fn if_readable<T>(seq: Seq, row: Result<T, StorageError>) -> Result<Option<T>, StorageError> {
    match row {
        Ok(row) => Ok(Some(row)),
        Err(StorageError::Corrupt { table, reason }) => {
            tracing::error!(%seq, table, reason, "a stored request cannot be read; it is passed");
            metrics::counter!(UNREADABLE, "storage" => KIND, "table" => table).increment(1);
            Ok(None)
        }
        Err(error) => Err(error),
    }
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
