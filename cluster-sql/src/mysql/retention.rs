//! Removing what is finished and past its age.

use std::collections::{HashMap, HashSet};

use cluster_core::id::{RequestId, Seq};
use cluster_core::storage::{Fence, RetireScan, Retired, StorageError};

use super::error::sure;
use super::literal::push_list;
use super::session::Session;
use super::texts::Own;
use crate::batch::check_fence;
use crate::driver::Driver;
use crate::ownership::{HIGHEST_SEQ, RETENTION_REACHED, set_meta};
use crate::server::{End, Look, Past, ServerSession};
use crate::sql::Sql;
use crate::value::{Reader, Value, limit};

/// Finds what may go.
pub(super) async fn look(
    session: &mut Session,
    fence: Fence,
    scan: &RetireScan,
) -> Result<Look, StorageError> {
    check_fence(session, fence).await?;
    let rows = session.rows_of(Own::Past, &[scan.after.into(), limit(scan.limit)]).await?;
    let mut look = Look::at(&rows, scan, scan.limit)?;
    let range = [scan.after.into(), look.upto().into()];
    look.retired.kept.unfinished |= !session.rows_of(Own::Unfinished, &range).await?.is_empty();
    Ok(look)
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
    session.roll_back_after(removed).await.map(|removed| look.removed(removed))
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
