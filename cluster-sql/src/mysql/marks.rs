//! Marks: up to where an owner need not look for pending requests.
//!
//! Nothing says of a request that it is pending; who recovers a shard looks at the requests above
//! its mark for those that have not ended, and below it only at those that were registered in
//! `behind`. What holds at every moment: **a pending request is above the mark of its shard, or
//! registered.** The marks move in two steps, each one packet:
//!
//! 1. The mark of the fence rises. That waits for every write under way, and whoever writes later
//!    reads the new mark with the fence: what it accepts at or below it, it registers.
//! 2. All that is pending between the old marks and the new one is registered, and the shards get
//!    the new mark. This sees whatever was written before the first step; what is written after
//!    it registers itself.
//!
//! Between the steps, or when the second is never made, the old marks hold. What was registered and
//! has ended since is forgotten the next time; until then it does no harm, for who reads asks of
//! each whether it is pending. What becomes pending again registers itself, and so does everything
//! that is written by a transaction of several statements, which does not know the mark.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cluster_core::storage::{Fence, StorageError};

use super::error::sure;
use super::literal::push_list;
use super::reads::lowest_mark;
use super::session::Session;
use super::texts::Own;
use crate::sql::Sql;
use crate::value::{Columns, Value, integer};

/// After so many accepted requests the marks move: as many as are looked at in some milliseconds.
const ACCEPTED_MAX: u64 = 20_000;

/// How many registered requests that have ended are forgotten in a transaction.
const FORGOTTEN_MAX: i64 = 1_000;

/// When the marks of a process's shards move.
#[derive(Default)]
pub(super) struct Marks {
    /// Requests since they moved.
    accepted: AtomicU64,
    /// They are moving.
    moving: AtomicBool,
}

impl Marks {
    /// Counts accepted requests; says whether the marks shall move. Then [`Marks::moved`] follows.
    pub(super) fn count(&self, accepted: u64) -> bool {
        let count = self.accepted.fetch_add(accepted, Ordering::Relaxed) + accepted;
        count >= ACCEPTED_MAX && !self.moving.swap(true, Ordering::AcqRel)
    }

    /// Whether the marks shall move now that there is time for it, however few requests that are;
    /// else runners that soon end would leave more and more to look at. Then [`Marks::moved`]
    /// follows.
    pub(super) fn are_behind(&self) -> bool {
        self.accepted.load(Ordering::Relaxed) > 0 && !self.moving.swap(true, Ordering::AcqRel)
    }

    /// They have moved, or could not.
    pub(super) fn moved(&self) {
        self.accepted.store(0, Ordering::Relaxed);
        self.moving.store(false, Ordering::Release);
    }
}

/// Moves the marks of all shards of the incarnation to the last request that is stored.
///
/// # Errors
/// `Fenced`. After any error the old marks hold, or the new ones.
pub(super) async fn move_marks(session: &mut Session, fence: Fence) -> Result<(), StorageError> {
    let highest = session.all(Sql::HighestSeq, &[], |row| Ok(row.integer(0))).await?;
    let Some(mark) = highest.first().copied().flatten() else { return Ok(()) };
    forget_ended(session).await?;
    let incarnation = integer(fence.incarnation.as_u64());
    let number = integer(fence.number.as_u64());
    let values = [incarnation.into(), number.into(), mark.into()];
    session.run(Own::RaiseMark, &values).await.map_err(sure)?;
    let lowest = lowest_mark(session, fence).await?;
    let register = session.texts.with_numbers(Own::Register, &[incarnation, lowest, mark]);
    let moved = session.texts.with_numbers(Own::MoveMarks, &[incarnation, mark]);
    let gate = session.gate(fence, mark);
    let text = format!("START TRANSACTION; {gate}; {register}; {moved}; COMMIT");
    let done = session.fenced(fence, text).await;
    session.roll_back_after(done).await
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
