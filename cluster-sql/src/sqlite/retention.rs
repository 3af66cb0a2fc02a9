//! Removing what is finished and past its age.

use std::collections::HashSet;

use cluster_core::id::{RequestId, Seq};
use cluster_core::storage::{Fence, Kept, RetentionClass, RetireScan, Retired, StorageError};
use cluster_core::time::Timestamp;

use super::at_once::at_once;
use super::session::Session;
use crate::batch::check_fence;
use crate::ownership::{RETENTION_REACHED, remember_highest, set_meta};
use crate::sql::Sql;
use crate::value::{Columns, Reader, Value};

/// What decides whether a finished request may go.
struct Finished {
    seq: Seq,
    finished_at: Timestamp,
    /// `None` for one of a later release: not this one's to retire.
    class: Option<RetentionClass>,
    id: RequestId,
    outer: Option<RequestId>,
}

/// The class and the end of the request for whose sake a finished one is kept.
type Keeper = (Option<RetentionClass>, Option<Timestamp>);

/// A look at finished requests: which of them may go, and what is said of the rest.
pub(super) struct Look {
    past: Vec<Past>,
    pub(super) retired: Retired,
}

/// A request that may go, if it stands when it is removed as it stood then.
struct Past {
    seq: Seq,
    finished_at: Timestamp,
    /// Of a derived one: for whose sake it was kept.
    outer: Option<RequestId>,
}

impl Look {
    /// Whether there is nothing to write.
    pub(super) fn is_idle(&self, scan: &RetireScan) -> bool {
        self.past.is_empty() && scan.reached.is_none()
    }
}

impl Session<'_> {
    /// Finds what may go.
    pub(super) fn look_for_past(
        &mut self,
        fence: Fence,
        scan: &RetireScan,
    ) -> Result<Look, StorageError> {
        at_once(check_fence(self, fence))?;
        let rows = i64::try_from(scan.limit).unwrap_or(i64::MAX).into();
        let finished = self.all(Sql::LoadFinished, &[scan.after.into(), rows], read_finished)?;
        let upto = finished.last().map_or(scan.after, |row| row.seq);
        let mut kept = Kept::nothing(upto);
        let (mut past, mut past_ids) = (Vec::new(), HashSet::new());
        for row in &finished {
            match self.kept_by(row, scan, &past_ids)? {
                Some((Some(class), finished_at)) => kept.count(class, finished_at),
                // Looked at again, as what has not ended: who made it will retire it.
                Some((None, _)) => {
                    kept.requests += 1;
                    kept.unfinished = true;
                }
                None => {
                    let Finished { seq, finished_at, outer, .. } = *row;
                    let outer = outer.filter(|_| row.class == Some(RetentionClass::Derived));
                    past.push(Past { seq, finished_at, outer });
                    past_ids.insert(row.id);
                }
            }
        }
        let range = [scan.after.into(), upto.into()];
        let unfinished = self.first(Sql::AnyUnfinished, &range, |_| Ok(()))?;
        kept.unfinished |= unfinished.is_some();
        let next = (finished.len() == scan.limit).then_some(upto);
        let retired = Retired { removed: past.len(), next, kept };
        Ok(Look { past, retired })
    }

    /// Removes what a look has found, unless it was reset since, or its outer request was: that
    /// asks again for what it has called.
    pub(super) fn remove_past(
        &mut self,
        fence: Fence,
        scan: &RetireScan,
        look: Look,
    ) -> Result<Retired, StorageError> {
        at_once(check_fence(self, fence))?;
        let Look { past, mut retired } = look;
        let mut removed = Vec::with_capacity(past.len());
        for Past { seq, finished_at, outer } in past {
            let kept = match outer {
                Some(outer) => {
                    let outer = [Value::Bytes(&outer.to_bytes())];
                    self.first(Sql::OuterRequest, &outer, |_| Ok(()))?.is_some()
                }
                None => false,
            };
            if kept || self.execute(Sql::ForgetOutcome, &[seq.into(), finished_at.into()])? == 0 {
                continue;
            }
            self.execute(Sql::DeleteRequest, &[seq.into()])?;
            self.execute(Sql::DeleteChunks, &[seq.into()])?;
            removed.push(seq);
        }
        self.remove_journals(&removed)?;
        if let Some(highest) = removed.last() {
            at_once(remember_highest(self, *highest))?;
        }
        if let Some(reached) = scan.reached {
            at_once(set_meta(self, RETENTION_REACHED, reached.unix_ms()))?;
        }
        retired.kept.unfinished |= removed.len() < retired.removed;
        retired.removed = removed.len();
        Ok(retired)
    }

    /// For whose sake a finished request is kept: its own, or its outer one's. `None`: it may go.
    fn kept_by(
        &mut self,
        row: &Finished,
        scan: &RetireScan,
        past: &HashSet<RequestId>,
    ) -> Result<Option<Keeper>, StorageError> {
        let Some(class) = row.class else { return Ok(Some((None, None))) };
        if class != RetentionClass::Derived {
            let is_past = row.finished_at < scan.finished_before[usize::from(class.as_u8())];
            return Ok((!is_past).then_some((Some(class), Some(row.finished_at))));
        }
        match row.outer.filter(|outer| !past.contains(outer)) {
            Some(outer) => {
                self.first(Sql::OuterRequest, &[Value::Bytes(&outer.to_bytes())], read_outer)
            }
            None => Ok(None),
        }
    }

    /// Removes the histories of executions that are past.
    fn remove_journals(&mut self, executions: &[Seq]) -> Result<(), StorageError> {
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

fn read_finished(columns: &dyn Columns) -> Result<Finished, StorageError> {
    let read = Reader::new(columns, "request");
    Ok(Finished {
        seq: read.seq(0)?,
        finished_at: read.time(1)?,
        class: read_class(&read, 2),
        id: read.request_id(3)?,
        outer: read.bytes_or_null(4).map(|_| read.request_id(4)).transpose()?,
    })
}

fn read_outer(columns: &dyn Columns) -> Result<Keeper, StorageError> {
    let read = Reader::new(columns, "request");
    Ok((read_class(&read, 0), read.integer_or_null(1).map(Timestamp::from_unix_ms)))
}

fn read_class(read: &Reader<'_>, at: usize) -> Option<RetentionClass> {
    read.number(at).ok().and_then(RetentionClass::from_u8)
}
