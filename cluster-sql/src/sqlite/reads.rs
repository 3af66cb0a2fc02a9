//! What the reading connection answers.

use cluster_core::id::{KeyDigest, RequestId, Seq, StateVersion};
use cluster_core::metric::UNREADABLE;
use cluster_core::storage::{
    DeadLetterRow, DueScan, Fence, FoundRequest, HeldRow, PageRoom, PendingRequest, PendingScan,
    StateKey, StateRow, StorageError,
};
use cluster_core::time::Timestamp;

use super::batch::check_fence;
use super::driver::at_once;
use super::rows::{REQUEST_COLUMNS, read_found, read_missing, read_request};
use super::session::Session;
use super::sql::Sql;
use super::storage::KIND;
use super::value::{Columns, Reader, Value, integer};

impl Session<'_> {
    pub(super) fn load_pending(
        &mut self,
        fence: Fence,
        scan: &PendingScan,
    ) -> Result<Vec<PendingRequest>, StorageError> {
        at_once(check_fence(self, fence))?;
        let entity = scan.entity.as_ref();
        let values: [Value<'_>; 6] = [
            scan.after.into(),
            limit(scan.limit),
            integer(fence.incarnation.as_u64()).into(),
            entity.map(|key| key.shard.as_u32()).into(),
            entity.map(|key| key.entity_type.as_bytes()).into(),
            entity.map(|key| &key.entity_id).into(),
        ];
        self.page(Sql::LoadPending, &values, BY_SEQ, read_pending, fills(scan.room()))
    }

    pub(super) fn load_due(
        &mut self,
        fence: Fence,
        scan: DueScan,
    ) -> Result<Vec<PendingRequest>, StorageError> {
        at_once(check_fence(self, fence))?;
        let values: [Value<'_>; 4] = [
            scan.after.at.into(),
            scan.after.seq.into(),
            limit(scan.limit),
            integer(fence.incarnation.as_u64()).into(),
        ];
        self.page(Sql::LoadDue, &values, BY_TIME, read_pending, fills(scan.room()))
    }

    /// Runs a query for a page of requests, whose first values are after which one: those of its
    /// columns `order`. Reads up to the one that fills the page.
    ///
    /// One that cannot be read is reported and passed, for it must not keep those behind it from
    /// running; others take its place, for a page that is not full is the last one.
    fn page<T>(
        &mut self,
        sql: Sql,
        values: &[Value<'_>],
        order: &[usize],
        read: impl Fn(&dyn Columns) -> Result<T, StorageError>,
        mut fills: impl FnMut(&T) -> bool,
    ) -> Result<Vec<T>, StorageError> {
        let mut values = values.to_vec();
        let (mut page, mut full) = (Vec::new(), false);
        loop {
            let read_row = |columns: &dyn Columns| {
                let reader = Reader::new(columns, "request");
                let place: Result<Vec<i64>, _> =
                    order.iter().map(|at| reader.integer(*at)).collect();
                Ok((place?, if_readable(reader.seq(0)?, read(columns))?))
            };
            let rows = self.all_until(sql, &values, read_row, |(_, row)| {
                full = row.as_ref().is_some_and(&mut fills);
                full
            })?;
            let passed = rows.iter().any(|(_, row)| row.is_none());
            let last: Option<Vec<i64>> = rows.last().map(|(place, _)| place.clone());
            page.extend(rows.into_iter().filter_map(|(_, row)| row));
            match last {
                Some(last) if passed && !full => {
                    for (value, last) in values.iter_mut().zip(last) {
                        *value = Value::Integer(last);
                    }
                }
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
        let values = [after.into(), limit(at_most)];
        self.page(Sql::DeadLetters, &values, BY_SEQ, read_dead_letter, |_| {
            room = room.saturating_sub(1);
            room == 0
        })
    }

    pub(super) fn held(
        &mut self,
        after: Seq,
        at_most: usize,
    ) -> Result<Vec<HeldRow>, StorageError> {
        let mut room = at_most;
        self.page(Sql::Held, &[after.into(), limit(at_most)], BY_SEQ, read_held, |_| {
            room = room.saturating_sub(1);
            room == 0
        })
    }
}

/// The order of a page by place in the owner's order.
const BY_SEQ: &[usize] = &[0];
/// The order of a page by time.
const BY_TIME: &[usize] = &[REQUEST_COLUMNS + 1, 0];

/// Says of each request in turn whether it fills the page.
fn fills(mut room: PageRoom) -> impl FnMut(&PendingRequest) -> bool {
    move |found| {
        room.take(&found.request);
        !room.is_left()
    }
}

pub(super) fn limit(rows: usize) -> Value<'static> {
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
    let due_at = read.integer_or_null(REQUEST_COLUMNS + 1).map(Timestamp::from_unix_ms);
    Ok(PendingRequest { request, attempts, due_at })
}

fn read_state(columns: &dyn Columns) -> Result<StateRow, StorageError> {
    let read = Reader::new(columns, "state");
    Ok(StateRow { version: StateVersion::new(read.number(0)?), payload: read.payload(1)? })
}

fn read_held(columns: &dyn Columns) -> Result<HeldRow, StorageError> {
    let request = read_request(columns)?;
    let held_at = Reader::new(columns, "held").time(REQUEST_COLUMNS)?;
    Ok(HeldRow { request, held_at, missing: read_missing(columns, REQUEST_COLUMNS + 1)? })
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
