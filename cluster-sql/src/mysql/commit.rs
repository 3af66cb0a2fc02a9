//! Writing a batch.

use std::collections::HashMap;

use cluster_core::id::{KeyDigest, RequestId, Seq};
use cluster_core::storage::{
    Accepted, Batch, Committed, Fence, FoundRequest, RequestRow, StorageError,
};

use super::commit_text::{bytes_of, packet};
use super::error::{commit_error, is_gate};
use super::reads::{find_keys, find_requests};
use super::session::Session;
use crate::batch::{known_by_id, known_by_key};
use crate::server::{Marks, Written, is_plain};
use crate::value::Columns;

/// Writes a batch by the one packet; once more without the requests that are known, if that was
/// what stood in its way.
///
/// # Errors
/// `Fenced`, `Unavailable`: nothing was written. `UnknownOutcome`: all or nothing was.
pub(super) async fn write_at_once(
    session: &mut Session,
    marks: &Marks,
    fence: Fence,
    batch: &Batch,
) -> Result<Written, StorageError> {
    if !session.has_compound_statements || !is_plain(batch) {
        return Ok(Written::NotThisWay);
    }
    let accepts: Vec<&RequestRow> = batch.accepts.iter().collect();
    if write(session, marks, fence, &accepts, batch).await? {
        let accepts = accepts.iter().map(|_| Accepted::New).collect();
        return Ok(Written::Done(Committed { accepts }));
    }
    let mut known = find_known(session, &batch.accepts).await?;
    if known.is_empty() {
        return Ok(Written::NotThisWay);
    }
    let unknown: Vec<&RequestRow> =
        batch.accepts.iter().filter(|row| !known.contains_key(&row.seq)).collect();
    if !write(session, marks, fence, &unknown, batch).await? {
        return Ok(Written::NotThisWay);
    }
    let accepted = |row: &RequestRow| known.remove(&row.seq).unwrap_or(Accepted::New);
    let accepts = batch.accepts.iter().map(accepted).collect();
    Ok(Written::Done(Committed { accepts }))
}

/// Sends the packet; says whether it was written.
async fn write(
    session: &mut Session,
    marks: &Marks,
    fence: Fence,
    accepts: &[&RequestRow],
    batch: &Batch,
) -> Result<bool, StorageError> {
    if !session.takes(bytes_of(accepts, batch)) {
        return Ok(false);
    }
    let text = packet(&session.texts.prefix, marks, fence, accepts, batch);
    if !session.takes(text.len()) {
        return Ok(false);
    }
    match session.ask(text).await {
        Ok(rows) if rows.first().and_then(|row| row.integer(0)) == Some(1) => Ok(true),
        Ok(_) => Err(fence.lost()),
        Err(error) if is_gate(&error) => Ok(false),
        Err(error) => Err(commit_error(error)),
    }
}

/// Finds those requests that are stored, or that stand twice in the batch.
async fn find_known(
    session: &mut Session,
    rows: &[RequestRow],
) -> Result<HashMap<Seq, Accepted>, StorageError> {
    let ids: Vec<RequestId> = rows.iter().map(|row| row.id).collect();
    let by_id = find_requests(session, &ids).await?;
    let digest = |row: &RequestRow| row.key.as_ref().map(|key| key.digest);
    let digests: Vec<KeyDigest> = rows.iter().filter_map(digest).collect();
    let mut by_key = find_keys(session, &digests).await?.into_iter();

    let mut known = HashMap::new();
    let mut new_ids: HashMap<RequestId, &RequestRow> = HashMap::with_capacity(rows.len());
    let mut new_keys: HashMap<KeyDigest, &RequestRow> = HashMap::with_capacity(digests.len());
    for (row, by_id) in rows.iter().zip(by_id) {
        let by_key = digest(row).and_then(|_| by_key.next().flatten());
        let by_id = by_id.or_else(|| new_ids.get(&row.id).copied().map(just_accepted));
        let new_key = || digest(row).and_then(|digest| new_keys.get(&digest).copied());
        if let Some(found) = by_id {
            known.insert(row.seq, known_by_id(row, found));
        } else if let Some(found) = by_key.or_else(|| new_key().map(just_accepted)) {
            known.insert(row.seq, known_by_key(row, found));
        } else {
            new_ids.insert(row.id, row);
            new_keys.extend(digest(row).map(|digest| (digest, row)));
        }
    }
    Ok(known)
}

/// A request that is accepted by the same batch.
fn just_accepted(row: &RequestRow) -> FoundRequest {
    let request = row.clone();
    FoundRequest { request, outcome: None, dead: false, held: None, finished_at: None }
}
