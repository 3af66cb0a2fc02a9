//! Moving the marks of recovery, each step by one statement: see the module that decides when.

use cluster_core::storage::{Fence, StorageError};

use super::error::{commit_error, sure};
use super::session::Session;
use super::texts::Own;
use crate::server::{ACCEPTED_MAX, ServerSession};
use crate::sql::Sql;
use crate::value::{Columns, Value, integer};

/// How many registered requests that have ended are forgotten each time: more than can be
/// registered meanwhile.
const FORGOTTEN_MAX: i64 = 4 * ACCEPTED_MAX as i64;

/// Raises the mark of the fence to the last request that is stored; tells it, if there is one.
///
/// # Errors
/// `Unavailable`.
pub(super) async fn raise_mark(
    session: &mut Session,
    fence: Fence,
) -> Result<Option<i64>, StorageError> {
    let highest = session.all(Sql::HighestSeq, &[], |row| Ok(row.integer(0))).await?;
    let Some(mark) = highest.first().copied().flatten() else { return Ok(None) };
    let text = session.texts.own(Own::ForgetBehind).clone();
    session.rows(&text, session.plain(&[FORGOTTEN_MAX.into()])).await.map_err(sure)?;
    let text = session.texts.own(Own::RaiseMark).clone();
    session.rows(&text, session.plain(&values(fence, mark))).await.map_err(sure)?;
    Ok(Some(mark))
}

/// Moves the marks of all shards of the incarnation over one window of requests, up to the mark of
/// the fence at most; says whether they are there.
///
/// # Errors
/// `Fenced`. After any error the old marks hold, or the new ones.
pub(super) async fn move_marks(
    session: &mut Session,
    fence: Fence,
    mark: i64,
) -> Result<bool, StorageError> {
    let text = session.texts.own(Own::MoveMarks).clone();
    let rows = session.rows(&text, session.plain(&values(fence, mark))).await;
    let rows = rows.map_err(commit_error)?;
    let row = rows.first().filter(|row| row.integer(0) == Some(1));
    let reached = row.ok_or_else(|| fence.lost())?.integer(1);
    Ok(reached.is_none_or(|reached| reached >= mark))
}

fn values(fence: Fence, mark: i64) -> [Value<'static>; 3] {
    [integer(fence.incarnation.as_u64()).into(), integer(fence.number.as_u64()).into(), mark.into()]
}
