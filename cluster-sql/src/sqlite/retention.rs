//! Removing what is finished and past its age.

use cluster_core::id::{RequestId, Seq};
use cluster_core::storage::{Fence, RetentionClass, RetireScan, Retired, StorageError};
use cluster_core::time::Timestamp;

use super::batch::check_fence;
use super::driver::at_once;
use super::ownership::HIGHEST_SEQ;
use super::session::Session;
use super::sql::Sql;
use super::value::{Columns, Reader, Value, integer};

/// What decides whether a finished request may go.
struct Finished {
    seq: Seq,
    finished_at: Timestamp,
    /// `None` for one of a later release: not this one's to retire.
    class: Option<RetentionClass>,
    accepted_at: Timestamp,
    outer: Option<RequestId>,
}

impl Session<'_> {
    pub(super) fn retire(
        &mut self,
        fence: Fence,
        scan: &RetireScan,
    ) -> Result<Retired, StorageError> {
        at_once(check_fence(self, fence))?;
        let rows = i64::try_from(scan.limit).unwrap_or(i64::MAX).into();
        let finished = self.all(Sql::LoadFinished, &[scan.after.into(), rows], read_finished)?;
        // What was accepted after every one of these times finished after it as well, and so did
        // all that follows.
        let youngest = scan.finished_before[..3].iter().max().copied().unwrap_or_default();
        let old = finished.iter().take_while(|row| row.accepted_at < youngest);

        let (mut looked_at, mut removed, mut highest) = (0, 0, None);
        for row in old {
            looked_at += 1;
            if self.is_past(row, scan)? {
                self.execute(Sql::DeleteRequest, &[row.seq.into()])?;
                self.execute(Sql::DeleteOutcome, &[row.seq.into()])?;
                removed += 1;
                highest = Some(row.seq);
            }
        }
        if let Some(seq) = highest {
            self.remember_highest(seq)?;
        }
        let next = finished.last().filter(|_| looked_at == scan.limit).map(|row| row.seq);
        Ok(Retired { removed, next })
    }

    fn is_past(&mut self, row: &Finished, scan: &RetireScan) -> Result<bool, StorageError> {
        match (row.class, row.outer) {
            (None, _) => Ok(false),
            (Some(RetentionClass::Derived), None) => Ok(true),
            (Some(RetentionClass::Derived), Some(outer)) => {
                let id = outer.to_bytes();
                let found = self.first(Sql::AnyRequest, &[Value::Bytes(&id)], |_| Ok(()))?;
                Ok(found.is_none())
            }
            (Some(class), _) => {
                Ok(row.finished_at < scan.finished_before[usize::from(class.as_u8())])
            }
        }
    }

    /// A removed request still counts for the highest `seq`.
    fn remember_highest(&mut self, seq: Seq) -> Result<(), StorageError> {
        let seq = integer(seq.as_u64());
        if self.meta(HIGHEST_SEQ)?.is_none_or(|highest| highest < seq) {
            self.set_meta(HIGHEST_SEQ, seq)?;
        }
        Ok(())
    }
}

fn read_finished(columns: &dyn Columns) -> Result<Finished, StorageError> {
    let read = Reader::new(columns, "request");
    Ok(Finished {
        seq: read.seq(0)?,
        finished_at: read.time(1)?,
        class: read.number(2).ok().and_then(RetentionClass::from_u8),
        accepted_at: read.time(3)?,
        outer: read.bytes_or_null(4).map(|_| read.request_id(4)).transpose()?,
    })
}
