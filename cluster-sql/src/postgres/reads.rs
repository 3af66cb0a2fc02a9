//! What is read in this database's own way, each by one statement.

use cluster_core::id::{KeyDigest, RequestId};
use cluster_core::storage::{
    DeferredId, DeferredRow, Fence, FoundRequest, PendingRequest, PendingScan, ReminderKey,
    ReminderRow, StateKey, StateRow, StorageError,
};
use cluster_core::time::ClusterTime;

use super::digest::{PARTS, parts};
use super::error::sure;
use super::parameter::Array;
use super::session::Session;
use super::texts::Own;
use crate::entity::read_reminder;
use crate::journal::read_deferred;
use crate::rows::{REQUEST_COLUMNS, read_found, read_state};
use crate::server::{self, read_time};
use crate::value::{Columns, Reader, integer};

/// Cluster time.
pub(super) async fn time(session: &mut Session) -> Result<ClusterTime, StorageError> {
    let text = session.texts.own(Own::Time).clone();
    let rows = session.rows(&text, session.arguments()).await.map_err(sure)?;
    read_time(&rows)
}

/// Answers in the order of the questions; the place of its question is the column `place` of a
/// row.
async fn answers<T>(
    session: &mut Session,
    own: Own,
    arrays: impl IntoIterator<Item = Array<'_>>,
    many: usize,
    place: usize,
    read: impl Fn(&dyn Columns) -> Result<T, StorageError>,
) -> Result<Vec<Option<T>>, StorageError> {
    let mut answers: Vec<Option<T>> = (0..many).map(|_| None).collect();
    if many == 0 {
        return Ok(answers);
    }
    let mut arguments = session.arguments();
    for array in arrays {
        arguments.add_array(array);
    }
    let text = session.texts.own(own).clone();
    for row in &session.rows(&text, arguments).await.map_err(sure)? {
        let place: usize = Reader::new(row, "request").number(place)?;
        // Counted from one.
        if let Some(answer) = answers.get_mut(place - 1) {
            *answer = Some(read(row)?);
        }
    }
    Ok(answers)
}

pub(super) async fn find_requests(
    session: &mut Session,
    ids: &[RequestId],
) -> Result<Vec<Option<FoundRequest>>, StorageError> {
    let bytes: Vec<[u8; 16]> = ids.iter().map(|id| id.to_bytes()).collect();
    let array = Array::bytes(bytes.iter().map(|id| &id[..]));
    answers(session, Own::Requests, [array], ids.len(), REQUEST_COLUMNS + 6, read_found).await
}

pub(super) async fn find_keys(
    session: &mut Session,
    digests: &[KeyDigest],
) -> Result<Vec<Option<FoundRequest>>, StorageError> {
    let digests: Vec<[i64; PARTS]> = digests.iter().map(parts).collect();
    let arrays: [Array<'_>; PARTS] =
        std::array::from_fn(|part| Array::integers(digests.iter().map(|digest| digest[part])));
    answers(session, Own::Keys, arrays, digests.len(), REQUEST_COLUMNS + 6, read_found).await
}

pub(super) async fn load_states(
    session: &mut Session,
    keys: &[StateKey],
) -> Result<Vec<Option<StateRow>>, StorageError> {
    let types = Array::bytes(keys.iter().map(|key| key.entity_type.as_bytes()));
    let ids = Array::bytes(keys.iter().map(|key| key.entity_id.as_str().as_bytes()));
    answers(session, Own::States, [types, ids], keys.len(), 2, read_state).await
}

pub(super) async fn find_deferreds(
    session: &mut Session,
    deferreds: &[DeferredId],
) -> Result<Vec<Option<DeferredRow>>, StorageError> {
    let arrays = [
        Array::integers(deferreds.iter().map(|id| integer(id.execution.as_u64()))),
        Array::bytes(deferreds.iter().map(|id| id.name.as_bytes())),
        Array::integers(deferreds.iter().map(|id| id.occurrence.into())),
    ];
    answers(session, Own::Deferreds, arrays, deferreds.len(), 11, read_deferred).await
}

pub(super) async fn find_reminders(
    session: &mut Session,
    keys: &[ReminderKey],
) -> Result<Vec<Option<ReminderRow>>, StorageError> {
    let arrays = [
        Array::bytes(keys.iter().map(|key| key.entity.entity_type.as_bytes())),
        Array::bytes(keys.iter().map(|key| key.entity.entity_id.as_str().as_bytes())),
        Array::integers(keys.iter().map(|key| key.message.as_u64().cast_signed())),
    ];
    answers(session, Own::Reminders, arrays, keys.len(), 2, read_reminder).await
}

pub(super) async fn load_pending(
    session: &mut Session,
    fence: Fence,
    scan: &PendingScan,
) -> Result<Vec<PendingRequest>, StorageError> {
    server::load_pending(session, fence, scan, &[]).await
}
