//! Writing a batch.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};

use cluster_core::id::Seq;
use cluster_core::storage::{
    Accepted, Batch, Committed, Fence, FoundRequest, RequestRow, StateWrite, StorageError,
};

use super::commit_text::{DIGEST, ENTRY, Groups, OUTCOME, REQUEST, STATE, stand_in};
use super::digest::{self, PARTS};
use super::error::{commit_error, is_duplicate, is_gate};
use super::parameter::Array;
use super::reads::{find_keys, find_requests};
use super::session::{Arguments, Session};
use crate::batch::{known_by_id, known_by_key};
use crate::journal::entry_values;
use crate::rows::{EncodedRequest, first_state_values, is_first, outcome_values};
use crate::server::{Marks, Written, is_plain};
use crate::value::{Columns, Value, integer};

/// How many batches are written with care after one that met what was there already: such requests
/// come in bursts, as callers ask again.
const CARE: u32 = 256;

/// How many batches are still to be written with care.
#[derive(Debug, Default)]
pub(super) struct Care(AtomicU32);

impl Care {
    fn is_taken(&self) -> bool {
        let less = |left: u32| left.checked_sub(1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    fn take(&self) {
        self.0.store(CARE, Ordering::Relaxed);
    }
}

/// Writes a batch by the one statement.
///
/// # Errors
/// `Fenced`, `Unavailable`: nothing was written. `UnknownOutcome`: all or nothing was.
pub(super) async fn write_at_once(
    session: &mut Session,
    marks: &Marks,
    fence: Fence,
    batch: &Batch,
) -> Result<Written, StorageError> {
    // All parts of the statement see the same rows.
    if !is_plain(batch) {
        return Ok(Written::NotThisWay);
    }
    let mut careful = session.care.is_taken();
    let rows = loop {
        let groups = groups_of(marks, batch, careful);
        let arguments = arguments(session.arguments(), fence, batch, groups);
        let text = session.texts.commit(groups).clone();
        match session.rows(&text, arguments).await {
            Ok(rows) => break rows,
            Err(error) if is_duplicate(&error) && !careful => {
                session.care.take();
                careful = true;
            }
            // Maybe its requests are at or below the mark.
            Err(error) if is_gate(&error) && groups.accepts && !careful => {
                session.care.take();
                careful = true;
            }
            Err(error) if is_gate(&error) => return Ok(Written::NotThisWay),
            Err(error) => return Err(commit_error(error)),
        }
    };
    let row = rows.first().ok_or_else(|| commit_error(sqlx::Error::RowNotFound))?;
    if row.integer(0) != Some(1) {
        return Err(fence.lost());
    }
    let Some(stored) = row.bytes(1) else {
        let accepts = batch.accepts.iter().map(|_| Accepted::New).collect();
        return Ok(Written::Done(Committed { accepts }));
    };
    let stored = numbers(stored);
    // It is committed; who cannot find out what it has found does not know it either.
    let accepts = find_duplicates(session, &batch.accepts, &stored).await;
    let accepts = accepts.map_err(|error| match error {
        StorageError::Unavailable { source } => StorageError::UnknownOutcome { source },
        error => error,
    })?;
    // A row that was in the way is gone: retention has removed it. The batch may be written again.
    Ok(accepts.map_or(Written::NotThisWay, |accepts| Written::Done(Committed { accepts })))
}

/// Numbers with commas between them.
fn numbers(text: &[u8]) -> HashSet<i64> {
    let text = std::str::from_utf8(text).unwrap_or_default();
    text.split(',').filter_map(|number| number.parse().ok()).collect()
}

/// The groups of a batch that has no requests, for a user's transaction; and its values.
pub(super) fn ends(marks: &Marks, fence: Fence, batch: &Batch) -> (Groups, Vec<String>) {
    let groups = Groups { own: true, ..groups_of(marks, batch, true) };
    match arguments(Arguments::Plain(Vec::new()), fence, batch, groups) {
        Arguments::Plain(literals) => (groups, literals),
        Arguments::Prepared(_) => unreachable!("they are as they were given"),
    }
}

fn groups_of(marks: &Marks, batch: &Batch, careful: bool) -> Groups {
    Groups {
        accepts: !batch.accepts.is_empty(),
        due: batch.accepts.iter().any(|row| row.due_at.is_some()),
        behind: careful || batch.accepts.first().is_some_and(|row| marks.are_above(row.seq)),
        outcomes: !batch.outcomes.is_empty(),
        elsewhere: marks.may_stand_elsewhere(&batch.outcomes),
        states: !batch.states.is_empty(),
        journal: !batch.journal.is_empty(),
        careful,
        own: false,
    }
}

/// The values of a batch in the order of the text for its groups.
fn arguments(mut arguments: Arguments, fence: Fence, batch: &Batch, groups: Groups) -> Arguments {
    arguments.add(integer(fence.incarnation.as_u64()));
    arguments.add(integer(fence.number.as_u64()));
    if groups.accepts {
        let encoded: Vec<_> = batch.accepts.iter().map(EncodedRequest::new).collect();
        add_all(&mut arguments, Array::columns(REQUEST, encoded.iter().map(row_of_request)));
    }
    if groups.outcomes {
        add_all(&mut arguments, Array::columns(OUTCOME, batch.outcomes.iter().map(outcome_values)));
    }
    if groups.states {
        add_all(&mut arguments, Array::columns(STATE, batch.states.iter().map(row_of_state)));
    }
    if groups.journal {
        add_all(&mut arguments, Array::columns(ENTRY, batch.journal.iter().map(entry_values)));
    }
    arguments
}

/// The values of a request in the order of the columns.
fn row_of_request<'a>(row: &'a EncodedRequest<'_>) -> [Value<'a>; REQUEST.len()] {
    let values = row.values();
    let digest = row.digest().map(digest::parts);
    std::array::from_fn(|at| match at.checked_sub(DIGEST) {
        None => values[at],
        Some(part @ 0..PARTS) => digest.map(|digest| digest[part]).into(),
        Some(_) => values[at + 1 - PARTS],
    })
}

/// The values of a state in the order of the columns.
fn row_of_state(write: &StateWrite) -> [Value<'_>; 6] {
    let mut values = first_state_values(write);
    if !is_first(write) {
        values[2] = stand_in(write.from).into();
    }
    values
}

fn add_all<const N: usize>(arguments: &mut Arguments, columns: [Array<'_>; N]) {
    for column in columns {
        arguments.add_array(column);
    }
}

/// Finds out which rows were in the way of those requests that were not stored; `None` when one of
/// them is gone.
async fn find_duplicates(
    session: &mut Session,
    rows: &[RequestRow],
    stored: &HashSet<i64>,
) -> Result<Option<Vec<Accepted>>, StorageError> {
    let is_stored = |row: &&RequestRow| stored.contains(&integer(row.seq.as_u64()));
    let refused: Vec<&RequestRow> = rows.iter().filter(|row| !is_stored(row)).collect();
    let ids = refused.iter().map(|row| row.id).collect::<Vec<_>>();
    let by_id = find_requests(session, &ids).await?;
    let keyed = refused.iter().zip(&by_id).filter(|(_, found)| found.is_none());
    let keyed: Vec<_> = keyed.filter_map(|(row, _)| row.key.as_ref().map(|k| k.digest)).collect();
    let mut by_key = find_keys(session, &keyed).await?.into_iter();

    let mut known: HashMap<Seq, Accepted> = HashMap::with_capacity(refused.len());
    for (row, by_id) in refused.into_iter().zip(by_id) {
        let accepted = match by_id {
            Some(found) => known_by_id(row, found),
            None => {
                let found: Option<FoundRequest> = match row.key {
                    Some(_) => by_key.next().flatten(),
                    None => None,
                };
                let Some(found) = found else { return Ok(None) };
                known_by_key(row, found)
            }
        };
        known.insert(row.seq, accepted);
    }
    let accepted = |row: &RequestRow| known.remove(&row.seq).unwrap_or(Accepted::New);
    Ok(Some(rows.iter().map(accepted).collect()))
}
