//! What the reading connection answers.

use cluster_core::id::{KeyDigest, RequestId, Seq, StateVersion};
use cluster_core::storage::{
    DeadLetterRow, Fence, FoundRequest, PendingRequest, PendingScan, StateKey, StateRow,
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
    /// in order, merged. Rows that cannot be read are reported and passed: they must not keep those
    /// behind them from running.
    pub(super) fn load_pending(
        &mut self,
        fence: Fence,
        scan: &PendingScan,
        now: Timestamp,
    ) -> Result<Vec<PendingRequest>, StorageError> {
        at_once(check_fence(self, fence))?;
        let mut after = scan.after;
        loop {
            let rows = self.load_rows(fence, scan, after, now)?;
            let last = rows.last().map(|(seq, _)| *seq);
            let page: Vec<_> = rows.into_iter().filter_map(|(_, pending)| pending).collect();
            match last {
                Some(last) if page.is_empty() => after = last,
                _ => return Ok(page),
            }
        }
    }

    fn load_rows(
        &mut self,
        fence: Fence,
        scan: &PendingScan,
        after: Seq,
        now: Timestamp,
    ) -> Result<Vec<(Seq, Option<PendingRequest>)>, StorageError> {
        let entity = scan.entity.as_ref();
        let values: [Value<'_>; 7] = [
            after.into(),
            limit(scan.limit),
            integer(fence.incarnation.as_u64()).into(),
            entity.map(|key| key.shard.as_u32()).into(),
            entity.map(|key| key.entity_type.as_bytes()).into(),
            entity.map(|key| &key.entity_id).into(),
            now.into(),
        ];
        let mut rows = self.all(Sql::LoadPending, &values[..6], read_if_readable)?;
        let due = self.all(Sql::LoadDue, &values, read_if_readable)?;
        if !due.is_empty() {
            rows.extend(due);
            rows.sort_by_key(|(seq, _)| *seq);
            rows.truncate(scan.limit);
        }
        Ok(rows)
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
        self.all(Sql::DeadLetters, &[after.into(), limit(at_most)], read_dead_letter)
    }
}

fn limit(rows: usize) -> Value<'static> {
    Value::Integer(i64::try_from(rows).unwrap_or(i64::MAX))
}

fn read_if_readable(columns: &dyn Columns) -> Result<(Seq, Option<PendingRequest>), StorageError> {
    let seq = Reader::new(columns, "request").seq(0)?;
    match read_pending(columns) {
        Ok(pending) => Ok((seq, Some(pending))),
        Err(StorageError::Corrupt { table, reason }) => {
            tracing::error!(%seq, table, reason, "a stored request cannot be read; it is passed");
            Ok((seq, None))
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
