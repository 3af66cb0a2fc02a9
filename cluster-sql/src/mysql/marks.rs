//! Moving the marks of recovery, each step by one packet: see the module that decides when.

use cluster_core::id::Seq;
use cluster_core::storage::{Fence, StorageError};

use super::error::sure;
use super::literal::push_list;
use super::reads::lowest_mark;
use super::session::Session;
use super::texts::Own;
use crate::server::ServerSession;
use crate::value::{Columns, Value, integer};

/// How many registered requests that have ended are forgotten in a transaction.
const FORGOTTEN_MAX: i64 = 1_000;

/// Raises the mark of the fence.
///
/// # Errors
/// `Unavailable`.
pub(super) async fn raise_mark(
    session: &mut Session,
    fence: Fence,
    mark: Seq,
) -> Result<(), StorageError> {
    forget_ended(session).await?;
    let values = [fence.incarnation.as_u64(), fence.number.as_u64(), mark.as_u64()];
    session.run(Own::RaiseMark, &values.map(|n| integer(n).into())).await.map_err(sure)?;
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
    let (incarnation, mark) = (integer(fence.incarnation.as_u64()), integer(mark.as_u64()));
    let lowest = lowest_mark(session, fence).await?;
    let ends = session.rows_of(Own::EndOfStep, &[lowest.into(), mark.into()]).await?;
    let end = ends.first().and_then(|row| row.integer(0)).unwrap_or(mark);
    let register = session.texts.with_numbers(Own::Register, &[incarnation, lowest, end]);
    let moved = session.texts.with_numbers(Own::MoveMarks, &[incarnation, end]);
    let gate = session.gate(fence, mark);
    let text = format!("START TRANSACTION; {gate}; {register}; {moved}; COMMIT");
    let done = session.fenced(fence, text).await;
    session.roll_back_after(done).await?;
    Ok(end >= mark)
}

/// Forgets registered requests that have ended since.
async fn forget_ended(session: &mut Session) -> Result<(), StorageError> {
    let mut after = 0;
    loop {
        session.begin().await?;
        let forgotten = forget_some(session, after).await;
        let last = session.end(forgotten).await?;
        match last {
            Some(last) => after = last,
            None => return Ok(()),
        }
    }
}

/// Forgets some of them; tells the last one if there may be more.
async fn forget_some(session: &mut Session, after: i64) -> Result<Option<i64>, StorageError> {
    let values = [after.into(), FORGOTTEN_MAX.into()];
    let rows = session.rows_of(Own::EndedBehind, &values).await?;
    let ended: Vec<Value<'_>> = rows.iter().map(|row| row.integer(0).into()).collect();
    if ended.is_empty() {
        return Ok(None);
    }
    let mut list = String::new();
    push_list(&mut list, &ended);
    let text = session.texts.with_list(Own::ForgetBehind, &list);
    session.simple(text).await.map_err(sure)?;
    let more = rows.len() as i64 == FORGOTTEN_MAX;
    Ok(rows.last().and_then(|row| row.integer(0)).filter(|_| more))
}
