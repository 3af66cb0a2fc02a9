//! Removing what is finished and past its age.

use std::collections::HashSet;

use cluster_core::id::{RequestId, Seq};
use cluster_core::storage::{Fence, Kept, RetentionClass, RetireScan, Retired, StorageError};
use cluster_core::time::Timestamp;

use super::error::sure;
use super::literal::push_list;
use super::reads::limit;
use super::session::{End, Session};
use super::texts::Own;
use crate::batch::check_fence;
use crate::driver::Driver;
use crate::ownership::{HIGHEST_SEQ, RETENTION_REACHED, set_meta};
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
    /// The stored class of the outer request, if that is there, and its end.
    outer_class: Option<i64>,
    outer_finished_at: Option<Timestamp>,
}

/// A look at finished requests: which of them may go, and what is said of the rest.
pub(super) struct Look {
    past: Vec<Seq>,
    pub(super) retired: Retired,
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
    let rows = session.rows_of(Own::Past, &[scan.after.into(), limit(scan.limit)]).await?;
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
                past.push(row.seq);
                past_ids.insert(row.id);
            }
        }
    }
    let range = [scan.after.into(), upto.into()];
    kept.unfinished |= !session.rows_of(Own::Unfinished, &range).await?.is_empty();
    let next = (finished.len() == scan.limit).then_some(upto);
    let retired = Retired { removed: past.len(), next, kept };
    Ok(Look { past, retired })
}

/// Removes what a look has found; returns how many there were still.
pub(super) async fn remove(
    session: &mut Session,
    fence: Fence,
    scan: &RetireScan,
    look: &Look,
) -> Result<usize, StorageError> {
    session.begin().await?;
    let removed = match remove_in_transaction(session, scan, look).await {
        Ok(removed) => session.commit_fenced(fence, End::Commit).await.map(|()| removed),
        Err(error) => Err(error),
    };
    session.roll_back_after(removed).await
}

async fn remove_in_transaction(
    session: &mut Session,
    scan: &RetireScan,
    look: &Look,
) -> Result<usize, StorageError> {
    let mut removed = 0;
    if let Some(highest) = look.past.last() {
        let mut list = String::new();
        push_list(&mut list, &look.past.iter().map(|seq| (*seq).into()).collect::<Vec<_>>());
        let text = session.texts.with_list(Own::StillFinished, &list);
        // One that runs again meanwhile has no outcome any more, and stays.
        let finished = session.ask(text).await.map_err(sure)?;
        let finished: Vec<Value<'_>> = finished.iter().map(|row| row.integer(0).into()).collect();
        removed = finished.len();
        if removed > 0 {
            list.clear();
            push_list(&mut list, &finished);
            let text = session.texts.with_list(Own::Remove, &list);
            session.simple(text).await.map_err(sure)?;
        }
        let values = [Value::Text(HIGHEST_SEQ), (*highest).into()];
        session.execute(Sql::RaiseMeta, &values).await?;
    }
    if let Some(reached) = scan.reached {
        set_meta(session, RETENTION_REACHED, reached.unix_ms()).await?;
    }
    Ok(removed)
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
