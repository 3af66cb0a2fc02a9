//! What the reading connection answers.

use cluster_core::id::{KeyDigest, RequestId, Seq};
use cluster_core::storage::{
    AliveScan, ChunkRow, ChunkScan, ContractRow, DeadLetterRow, DeferredId, DeferredRow, DueScan,
    EntityRequest, EntityScan, Fence, FoundRequest, HeldRow, History, InboxNumber, InboxRow,
    PageRoom, PendingRequest, PendingScan, ReminderKey, ReminderRow, StateKey, StateRow,
    StorageError,
};

use super::at_once::at_once;
use super::dialect::SqliteDialect;
use super::session::Session;
use crate::alive::{alive_values, read_alive};
use crate::batch::check_fence;
use crate::chunks::read_chunk;
use crate::contracts::read_contract;
use crate::dialect::Dialect;
use crate::entity::{
    read_end_of_window, read_reminder, read_request_of, scan_values, window_values,
};
use crate::inbox::{inbox_values, read_inbox_row};
use crate::journal::{history, read_deferred, read_row};
use crate::rows::{
    REQUEST_COLUMNS, if_readable, pending_values, read_dead_letter, read_found, read_held,
    read_pending, read_state,
};
use crate::sql::Sql;
use crate::value::{Columns, Reader, Value, integer, limit};

impl Session<'_> {
    pub(super) fn load_pending(
        &mut self,
        fence: Fence,
        scan: &PendingScan,
    ) -> Result<Vec<PendingRequest>, StorageError> {
        at_once(check_fence(self, fence))?;
        let (sql, values) = pending_values(fence, scan);
        self.page(sql, &values, BY_SEQ, read_pending, fills(scan.room()))
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

    pub(super) fn load_kept_alive(
        &mut self,
        fence: Fence,
        scan: &AliveScan,
    ) -> Result<Vec<StateKey>, StorageError> {
        at_once(check_fence(self, fence))?;
        self.all(Sql::LoadAlive, &alive_values(fence, scan), read_alive)
    }

    pub(super) fn load_chunks(&mut self, scan: &ChunkScan) -> Result<Vec<ChunkRow>, StorageError> {
        let after = i64::try_from(scan.after).unwrap_or(i64::MAX);
        let values = [scan.seq.into(), after.into(), limit(scan.limit)];
        let mut bytes = 0;
        self.all_until(Sql::LoadChunks, &values, read_chunk, |row| {
            bytes += row.payload.len();
            bytes >= scan.bytes
        })
    }

    pub(super) fn load_journal(&mut self, execution: Seq) -> Result<History, StorageError> {
        self.all(Sql::Journal, &[execution.into()], read_row).map(history)
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

    pub(super) fn find_reminders(
        &mut self,
        keys: &[ReminderKey],
    ) -> Result<Vec<Option<ReminderRow>>, StorageError> {
        let find = |ReminderKey { entity, message }: &ReminderKey| {
            let entity_type = Value::Bytes(entity.entity_type.as_bytes());
            let message = message.as_u64().cast_signed().into();
            let values = [entity_type, (&entity.entity_id).into(), message];
            self.first(Sql::Reminder, &values, read_reminder)
        };
        keys.iter().map(find).collect()
    }

    /// Looks at one window of rows; the second is where it has ended, if there may be more.
    pub(super) fn requests_of(
        &mut self,
        scan: &EntityScan,
    ) -> Result<(Vec<EntityRequest>, Option<Seq>), StorageError> {
        let end = self.first(Sql::EndOfWindow, &window_values(scan), read_end_of_window)?;
        Ok((self.all(Sql::RequestsOf, &scan_values(scan, end), read_request_of)?, end))
    }

    pub(super) fn contracts(&mut self) -> Result<Vec<ContractRow>, StorageError> {
        self.all(Sql::Contracts, &[], read_contract)
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
                Ok((place?, if_readable(SqliteDialect::KIND, reader.seq(0)?, read(columns))?))
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

    pub(super) fn inbox(
        &mut self,
        after: InboxNumber,
        at_most: usize,
    ) -> Result<Vec<InboxRow>, StorageError> {
        self.all(Sql::Inbox, &inbox_values(after, at_most), read_inbox_row)
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
