//! Moving the marks of recovery, each step by one statement: see the module that decides when.

use cluster_core::storage::{Fence, StorageError};

use super::error::{commit_error, sure};
use super::session::Session;
use super::texts::Own;
use crate::server::{ACCEPTED_MAX, ServerSession};
use crate::sql::Sql;
use crate::value::{Columns, integer};

/// How many registered requests that have ended are forgotten each time: more than can be
/// registered meanwhile.
const FORGOTTEN_MAX: i64 = 4 * ACCEPTED_MAX as i64;

/// Moves the marks of all shards of the incarnation to the last request that is stored.
///
/// # Errors
/// `Fenced`. After any error the old marks hold, or the new ones.
pub(super) async fn move_marks(session: &mut Session, fence: Fence) -> Result<(), StorageError> {
    let highest = session.all(Sql::HighestSeq, &[], |row| Ok(row.integer(0))).await?;
    let Some(mark) = highest.first().copied().flatten() else { return Ok(()) };
    let values = [
        integer(fence.incarnation.as_u64()).into(),
        integer(fence.number.as_u64()).into(),
        mark.into(),
    ];
    let text = session.texts.own(Own::ForgetBehind).clone();
    session.rows(&text, session.plain(&[FORGOTTEN_MAX.into()])).await.map_err(sure)?;
    let text = session.texts.own(Own::RaiseMark).clone();
    session.rows(&text, session.plain(&values)).await.map_err(sure)?;
    let text = session.texts.own(Own::MoveMarks).clone();
    loop {
        let rows = session.rows(&text, session.plain(&values)).await.map_err(commit_error)?;
        let row = rows.first().filter(|row| row.integer(0) == Some(1));
        let reached = row.ok_or_else(|| fence.lost())?.integer(1);
        if reached.is_none_or(|reached| reached >= mark) {
            return Ok(());
        }
    }
}
