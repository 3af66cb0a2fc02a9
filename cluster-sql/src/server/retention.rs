//! What retention may remove.

use std::collections::HashSet;

use cluster_core::id::{RequestId, Seq};
use cluster_core::storage::{Kept, RetentionClass, RetireScan, Retired, StorageError};
use cluster_core::time::Timestamp;

use crate::value::{Columns, Reader};

/// What decides whether a finished request may go.
struct Finished {
    seq: Seq,
    finished_at: Timestamp,
    /// `None` for one of a later release: not this one's to retire.
    class: Option<RetentionClass>,
    id: RequestId,
    outer: Option<RequestId>,
    /// The stored class of the outer request, if that is there, and its end.
    outer_class: Option<i64>,
    outer_finished_at: Option<Timestamp>,
}

/// A look at finished requests: which of them may go, and what is said of the rest.
pub(crate) struct Look {
    pub(crate) past: Vec<Past>,
    pub(crate) retired: Retired,
}

/// A request that may go, if it stands when it is removed as it stood then.
pub(crate) struct Past {
    pub(crate) seq: Seq,
    pub(crate) finished_at: Timestamp,
    /// Of a derived one: for whose sake it was kept.
    pub(crate) outer: Option<RequestId>,
}

impl Look {
    /// Decides about a page of at most so many finished requests behind where a scan has come.
    pub(crate) fn at(
        rows: &[impl Columns],
        scan: &RetireScan,
        page: usize,
    ) -> Result<Self, StorageError> {
        let finished: Vec<Finished> =
            rows.iter().map(|row| read_finished(row)).collect::<Result<_, _>>()?;
        let upto = finished.last().map_or(scan.after, |row| row.seq);
        let mut kept = Kept::nothing(upto);
        let (mut past, mut past_ids) = (Vec::new(), HashSet::new());
        for row in &finished {
            match kept_by(row, scan, &past_ids) {
                Some((Some(class), finished_at)) => kept.count(class, finished_at),
                // Looked at again, as what has not ended: who made it will retire it.
                Some((None, _)) => {
                    kept.requests += 1;
                    kept.unfinished = true;
                }
                None => {
                    let outer = row.outer.filter(|_| row.class == Some(RetentionClass::Derived));
                    past.push(Past { seq: row.seq, finished_at: row.finished_at, outer });
                    past_ids.insert(row.id);
                }
            }
        }
        let next = (finished.len() == page).then_some(upto);
        let retired = Retired { removed: past.len(), next, kept };
        Ok(Look { past, retired })
    }

    /// The last one it has looked at.
    pub(crate) fn upto(&self) -> Seq {
        self.retired.kept.upto
    }

    /// Whether there is nothing to write.
    pub(crate) fn is_idle(&self, scan: &RetireScan) -> bool {
        self.past.is_empty() && scan.reached.is_none()
    }

    /// What is said when so many were removed.
    pub(crate) fn removed(&self, removed: usize) -> Retired {
        let mut retired = Retired { removed, ..self.retired };
        retired.kept.unfinished |= removed < self.past.len();
        retired
    }
}

/// For whose sake a finished request is kept: its own, or its outer one's. `None`: it may go.
fn kept_by(
    row: &Finished,
    scan: &RetireScan,
    past: &HashSet<RequestId>,
) -> Option<(Option<RetentionClass>, Option<Timestamp>)> {
    let Some(class) = row.class else { return Some((None, None)) };
    if class != RetentionClass::Derived {
        let is_past = row.finished_at < scan.finished_before[usize::from(class.as_u8())];
        return (!is_past).then_some((Some(class), Some(row.finished_at)));
    }
    row.outer.filter(|outer| !past.contains(outer))?;
    row.outer_class.map(|class| (known_class(class), row.outer_finished_at))
}

fn known_class(class: i64) -> Option<RetentionClass> {
    u8::try_from(class).ok().and_then(RetentionClass::from_u8)
}

fn read_finished(columns: &dyn Columns) -> Result<Finished, StorageError> {
    let read = Reader::new(columns, "request");
    Ok(Finished {
        seq: read.seq(0)?,
        finished_at: read.time(1)?,
        class: known_class(read.integer(2)?),
        id: read.request_id(3)?,
        outer: read.bytes_or_null(4).map(|_| read.request_id(4)).transpose()?,
        outer_class: read.integer_or_null(5),
        outer_finished_at: read.integer_or_null(6).map(Timestamp::from_unix_ms),
    })
}
