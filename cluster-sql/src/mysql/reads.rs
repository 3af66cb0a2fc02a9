//! What is read in this database's own way, each by one statement.

use std::collections::HashMap;
use std::hash::Hash;

use cluster_core::id::{KeyDigest, RequestId};
use cluster_core::storage::{
    DeferredId, DeferredRow, Fence, FoundRequest, PendingRequest, PendingScan, ReminderKey,
    ReminderRow, StateKey, StateRow, StorageError,
};
use cluster_core::time::ClusterTime;

use super::error::sure;
use super::literal::push;
use super::session::Session;
use super::texts::Own;
use crate::entity::read_reminder;
use crate::journal::read_deferred;
use crate::rows::{read_found, read_state};
use crate::server::{self, read_time};
use crate::value::{Columns, Reader, Value, integer};

/// How many questions go into one statement: few enough that each is looked up by itself.
const QUESTIONS_MAX: usize = 100;

/// Cluster time.
pub(super) async fn time(session: &mut Session) -> Result<ClusterTime, StorageError> {
    let rows = session.rows_of(Own::Time, &[]).await?;
    read_time(&rows)
}

/// Answers in the order of the questions. `ask` writes a question, and `asked` tells which one a
/// row answers.
async fn answers<Q: Eq + Hash, T: Clone>(
    session: &mut Session,
    own: Own,
    questions: Vec<Q>,
    between: &str,
    ask: impl Fn(&mut String, &Q),
    asked: impl Fn(&dyn Columns) -> Result<Q, StorageError>,
    read: impl Fn(&dyn Columns) -> Result<T, StorageError>,
) -> Result<Vec<Option<T>>, StorageError> {
    let mut answers = HashMap::with_capacity(questions.len());
    for part in questions.chunks(QUESTIONS_MAX) {
        let mut list = String::new();
        for (at, question) in part.iter().enumerate() {
            if at > 0 {
                list.push_str(between);
            }
            ask(&mut list, question);
        }
        let text = session.texts.with_list(own, &list);
        for row in &session.ask(text).await.map_err(sure)? {
            answers.insert(asked(row)?, read(row)?);
        }
    }
    Ok(questions.iter().map(|question| answers.get(question).cloned()).collect())
}

pub(super) async fn find_requests(
    session: &mut Session,
    ids: &[RequestId],
) -> Result<Vec<Option<FoundRequest>>, StorageError> {
    let ask = |text: &mut String, id: &RequestId| push(text, &Value::Bytes(&id.to_bytes()));
    let asked = |row: &dyn Columns| Reader::new(row, "request").request_id(1);
    answers(session, Own::Requests, ids.to_vec(), ",", ask, asked, read_found).await
}

pub(super) async fn find_keys(
    session: &mut Session,
    digests: &[KeyDigest],
) -> Result<Vec<Option<FoundRequest>>, StorageError> {
    let digests = digests.iter().map(|digest| *digest.as_bytes()).collect();
    let ask = |text: &mut String, digest: &[u8; 32]| push(text, &Value::Bytes(digest));
    let asked = |row: &dyn Columns| Reader::new(row, "request").array(11);
    answers(session, Own::Keys, digests, ",", ask, asked, read_found).await
}

/// Type and id of an entity.
type Names = (Vec<u8>, Vec<u8>);

fn names(key: &StateKey) -> Names {
    (key.entity_type.as_bytes().to_vec(), key.entity_id.as_str().as_bytes().to_vec())
}

fn push_names(text: &mut String, (entity_type, entity_id): &Names) {
    text.push_str("entity_type = ");
    push(text, &Value::Bytes(entity_type));
    text.push_str(" AND entity_id = ");
    push(text, &Value::Bytes(entity_id));
}

fn read_names(row: &dyn Columns, table: &'static str, at: usize) -> Result<Names, StorageError> {
    let read = Reader::new(row, table);
    Ok((read.bytes(at)?.to_vec(), read.bytes(at + 1)?.to_vec()))
}

pub(super) async fn load_states(
    session: &mut Session,
    keys: &[StateKey],
) -> Result<Vec<Option<StateRow>>, StorageError> {
    let keys = keys.iter().map(names).collect();
    let asked = |row: &dyn Columns| read_names(row, "state", 2);
    answers(session, Own::States, keys, " OR ", push_names, asked, read_state).await
}

pub(super) async fn find_reminders(
    session: &mut Session,
    keys: &[ReminderKey],
) -> Result<Vec<Option<ReminderRow>>, StorageError> {
    let key = |key: &ReminderKey| (names(&key.entity), key.message.as_u64().cast_signed());
    let ask = |text: &mut String, (names, message): &(Names, i64)| {
        push_names(text, names);
        text.push_str(" AND message = ");
        push(text, &Value::Integer(*message));
    };
    let asked = |row: &dyn Columns| {
        let message = Reader::new(row, "reminder").integer(4)?;
        Ok((read_names(row, "reminder", 2)?, message))
    };
    let keys = keys.iter().map(key).collect();
    answers(session, Own::Reminders, keys, " OR ", ask, asked, read_reminder).await
}

pub(super) async fn find_deferreds(
    session: &mut Session,
    deferreds: &[DeferredId],
) -> Result<Vec<Option<DeferredRow>>, StorageError> {
    let key = |id: &DeferredId| {
        let name = id.name.as_bytes().to_vec();
        (integer(id.execution.as_u64()), name, i64::from(id.occurrence))
    };
    let ask = |text: &mut String, (execution, name, occurrence): &(i64, Vec<u8>, i64)| {
        text.push_str("execution = ");
        push(text, &Value::Integer(*execution));
        text.push_str(" AND name = ");
        push(text, &Value::Bytes(name));
        text.push_str(" AND occurrence = ");
        push(text, &Value::Integer(*occurrence));
    };
    let asked = |row: &dyn Columns| {
        let read = Reader::new(row, "deferred");
        Ok((read.integer(0)?, read.bytes(8)?.to_vec(), read.integer(5)?))
    };
    let keys = deferreds.iter().map(key).collect();
    answers(session, Own::Deferreds, keys, " OR ", ask, asked, read_deferred).await
}

/// The lowest mark of the shards of an incarnation.
pub(super) async fn lowest_mark(session: &mut Session, fence: Fence) -> Result<i64, StorageError> {
    let owner = [integer(fence.incarnation.as_u64()).into()];
    let rows = session.rows_of(Own::LowestMark, &owner).await?;
    Ok(rows.first().and_then(|row| row.integer(0)).unwrap_or(0))
}

pub(super) async fn load_pending(
    session: &mut Session,
    fence: Fence,
    scan: &PendingScan,
) -> Result<Vec<PendingRequest>, StorageError> {
    // A mark moves over what is registered before: with an older one more is looked at.
    let lowest = lowest_mark(session, fence).await?.into();
    server::load_pending(session, fence, scan, &[lowest]).await
}
