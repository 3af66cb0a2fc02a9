//! Removing what is finished and past its age.

use std::collections::{HashMap, HashSet};

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
                let outer = row.outer.filter(|_| row.class == Some(RetentionClass::Derived));
                past.push(Past { seq: row.seq, finished_at: row.finished_at, outer });
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

/// Removes what a look has found, unless it was reset since, or its outer request was: that asks
/// again for what it has called.
pub(super) async fn remove(
    session: &mut Session,
    fence: Fence,
    scan: &RetireScan,
    look: &Look,
) -> Result<Retired, StorageError> {
    session.begin().await?;
    let removed = match remove_in_transaction(session, scan, look).await {
        Ok(removed) => session.commit_fenced(fence, End::Commit).await.map(|()| removed),
        Err(error) => Err(error),
    };
    let mut retired = look.retired;
    retired.removed = session.roll_back_after(removed).await?;
    retired.kept.unfinished |= retired.removed < look.past.len();
    Ok(retired)
}

async fn remove_in_transaction(
    session: &mut Session,
    scan: &RetireScan,
    look: &Look,
) -> Result<usize, StorageError> {
    let removable = lock_removable(session, &look.past).await?;
    if let Some(highest) = removable.last() {
        let seqs: Vec<Value<'_>> = removable.iter().map(|seq| (*seq).into()).collect();
        let text = session.texts.with_list(Own::Remove, &list(&seqs));
        session.simple(text).await.map_err(sure)?;
        session.execute(Sql::RaiseMeta, &[Value::Text(HIGHEST_SEQ), (*highest).into()]).await?;
    }
    if let Some(reached) = scan.reached {
        set_meta(session, RETENTION_REACHED, reached.unix_ms()).await?;
    }
    Ok(removable.len())
}

/// Those that stand as they stood; they cannot run again before the transaction ends.
async fn lock_removable(session: &mut Session, past: &[Past]) -> Result<Vec<Seq>, StorageError> {
    if past.is_empty() {
        return Ok(Vec::new());
    }
    let seqs: Vec<Value<'_>> = past.iter().map(|past| past.seq.into()).collect();
    let text = session.texts.with_list(Own::StillFinished, &list(&seqs));
    let mut ids = HashMap::with_capacity(past.len());
    for row in &session.ask(text).await.map_err(sure)? {
        let read = Reader::new(row, "outcome");
        ids.insert((read.seq(0)?, read.time(1)?), read.request_id(2)?);
    }
    let mut there = outer_requests(session, past).await?;
    let mut removable = Vec::with_capacity(ids.len());
    // What a request has called comes behind it.
    for Past { seq, finished_at, outer } in past {
        if let Some(id) = ids.get(&(*seq, *finished_at))
            && outer.is_none_or(|outer| !there.contains(&outer))
        {
            removable.push(*seq);
            there.remove(id);
        }
    }
    Ok(removable)
}

/// The outer requests of these that are stored.
async fn outer_requests(
    session: &mut Session,
    past: &[Past],
) -> Result<HashSet<RequestId>, StorageError> {
    let outer: Vec<[u8; 16]> =
        past.iter().filter_map(|past| past.outer.map(|outer| outer.to_bytes())).collect();
    if outer.is_empty() {
        return Ok(HashSet::new());
    }
    let outer: Vec<Value<'_>> = outer.iter().map(|outer| Value::Bytes(outer)).collect();
    let text = session.texts.with_list(Own::StillThere, &list(&outer));
    let rows = session.ask(text).await.map_err(sure)?;
    rows.iter().map(|row| Reader::new(row, "request").request_id(0)).collect()
}

fn list(values: &[Value<'_>]) -> String {
    let mut list = String::new();
    push_list(&mut list, values);
    list
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
