//! Removing what is finished and past its age.

use std::collections::HashSet;

use cluster_core::id::{RequestId, Seq};
use cluster_core::storage::{Fence, Kept, RetentionClass, RetireScan, Retired, StorageError};
use cluster_core::time::Timestamp;

use super::error::{commit_error, sure};
use super::parameter::{Array, Element};
use super::reads::limit;
use super::session::Session;
use super::texts::Own;
use crate::batch::check_fence;
use crate::value::{Columns, Reader, integer};

/// The most that one look takes, as its statement says.
const PAGE_MAX: usize = 10_000;

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
pub(super) struct Look {
    past: Vec<Past>,
    pub(super) retired: Retired,
}

/// A request that may go, if it stands when it is removed as it stood then.
struct Past {
    seq: Seq,
    finished_at: Timestamp,
    /// Of a derived one: for whose sake it was kept.
    outer: Option<[u8; 16]>,
}

impl Look {
    /// Whether there is nothing to write.
    pub(super) fn is_idle(&self, scan: &RetireScan) -> bool {
        self.past.is_empty() && scan.reached.is_none()
    }
}

/// Finds what may go.
pub(super) async fn look(
    session: &mut Session,
    fence: Fence,
    scan: &RetireScan,
) -> Result<Look, StorageError> {
    check_fence(session, fence).await?;
    let text = session.texts.own(Own::Past).clone();
    let page = scan.limit.min(PAGE_MAX);
    let arguments = session.plain(&[scan.after.into(), limit(page)]);
    let rows = session.rows(&text, arguments).await.map_err(sure)?;
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
                let outer = outer.map(|outer| outer.to_bytes());
                past.push(Past { seq: row.seq, finished_at: row.finished_at, outer });
                past_ids.insert(row.id);
            }
        }
    }
    let text = session.texts.own(Own::Unfinished).clone();
    let range = session.plain(&[scan.after.into(), upto.into()]);
    kept.unfinished |= !session.rows(&text, range).await.map_err(sure)?.is_empty();
    let next = (finished.len() == page).then_some(upto);
    let retired = Retired { removed: past.len(), next, kept };
    Ok(Look { past, retired })
}

/// Removes what a look has found, unless it was reset since, or its outer request was: that asks
/// again for what it has called.
pub(super) async fn remove(
    session: &mut Session,
    fence: Fence,
    scan: &RetireScan,
    look: &Look,
) -> Result<Retired, StorageError> {
    let (past, mut retired) = (&look.past, look.retired);
    let mut arguments = session.arguments();
    arguments.add(integer(fence.incarnation.as_u64()));
    arguments.add(integer(fence.number.as_u64()));
    arguments.add_array(Array::integers(past.iter().map(|past| integer(past.seq.as_u64()))));
    arguments.add_array(Array::integers(past.iter().map(|past| past.finished_at.unix_ms())));
    let outer = past.iter().map(|past| past.outer.as_ref().map(|outer| &outer[..]).into());
    arguments.add_array(Array { element: Element::Bytes, values: outer.collect() });
    arguments.add(past.last().map(|past| past.seq));
    arguments.add(scan.reached);
    let text = session.texts.own(Own::Remove).clone();
    let rows = session.rows(&text, arguments).await.map_err(commit_error)?;
    match rows.first().map(|row| (row.integer(0), row.integer(1))) {
        Some((Some(1), Some(removed))) => {
            retired.removed = usize::try_from(removed).unwrap_or_default();
            retired.kept.unfinished |= retired.removed < past.len();
            Ok(retired)
        }
        _ => Err(fence.lost()),
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
