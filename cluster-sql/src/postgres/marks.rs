//! Moving the marks of recovery, each step by one statement: see the module that decides when.

use cluster_core::id::Seq;
use cluster_core::storage::{Fence, StorageError};

use super::error::{commit_error, sure};
use super::session::Session;
use super::texts::Own;
use crate::server::ACCEPTED_MAX;
use crate::value::{Columns, Value, integer};

/// How many registered requests that have ended are forgotten each time: more than can be
/// registered meanwhile.
const FORGOTTEN_MAX: i64 = 4 * ACCEPTED_MAX as i64;

/// Raises the mark of the fence.
///
/// # Errors
/// `Unavailable`.
pub(super) async fn raise_mark(
    session: &mut Session,
    fence: Fence,
    mark: Seq,
) -> Result<(), StorageError> {
    let text = session.texts.own(Own::ForgetBehind).clone();
    session.rows(&text, session.plain(&[FORGOTTEN_MAX.into()])).await.map_err(sure)?;
    let text = session.texts.own(Own::RaiseMark).clone();
    session.rows(&text, session.plain(&values(fence, mark))).await.map_err(sure)?;
    Ok(())
}

/// Moves the marks of all shards of the incarnation over one window of requests, up to the mark of
/// the fence at most; says whether they are there.
///
/// # Errors
/// `Fenced`. After any error the old marks hold, or the new ones.
pub(super) async fn move_marks(
    session: &mut Session,
    fence: Fence,
    mark: Seq,
) -> Result<bool, StorageError> {
    let text = session.texts.own(Own::MoveMarks).clone();
    let rows = session.rows(&text, session.plain(&values(fence, mark))).await;
    let rows = rows.map_err(commit_error)?;
    let row = rows.first().filter(|row| row.integer(0) == Some(1));
    let reached = row.ok_or_else(|| fence.lost())?.integer(1);
    Ok(reached.is_none_or(|reached| reached >= integer(mark.as_u64())))
}

fn values(fence: Fence, mark: Seq) -> [Value<'static>; 3] {
    [fence.incarnation.as_u64(), fence.number.as_u64(), mark.as_u64()].map(|n| integer(n).into())
}
