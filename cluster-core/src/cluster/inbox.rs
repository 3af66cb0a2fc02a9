//! The inbox: what tools with access to the database ask of its owner.
//!
//! All rows are read each time, for they are not committed in the order of their numbers. What
//! is done may be done again until its row is gone: a redrive is one unit with the end of its row,
//! and whoever has ended stays ended, so the row of a cancel or discard may go after it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::iter;

use crate::commit::Writes;
use crate::entity::{Runner, cancel_within, find, redrive, write};
use crate::error::ClusterError;
use crate::id::Seq;
use crate::metric;
use crate::storage::{FoundRequest, InboxNumber, InboxRow, StorageError, Wish, Wished};
use crate::time::Timestamp;

/// How many rows are read at once.
const PAGE: usize = 256;

/// How many wishes are seen to at once.
const AT_ONCE: usize = 32;

/// How long a cancel waits for a handler that does not end when it is told to. Then others have
/// their turn, and the next look comes back to it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Looks again and again. Never ends; to be dropped at the end of the runner. Cancel safe.
pub(super) async fn read_inbox(runner: Arc<Runner>) {
    let mut failing = false;
    loop {
        let looked = look(&runner).await;
        let failed = looked.is_err();
        match looked {
            Ok(()) if failing => tracing::info!("the inbox is done again"),
            Ok(()) | Err(ClusterError::ShuttingDown) => {}
            // Once for as long as it fails.
            Err(_) if failing => {}
            Err(error) => {
                tracing::warn!(%error, "what the inbox asks for could not be done, trying again");
            }
        }
        failing = failed;
        runner.clock.sleep_between_looks(runner.config.safety_net).await;
    }
}

/// Sees to everything that stands in the inbox. What fails holds up nothing else.
///
/// # Errors
/// The last one of what could not be done and stands there still.
async fn look(runner: &Arc<Runner>) -> Result<(), ClusterError> {
    let mut looked = Ok(());
    let mut after = InboxNumber::FIRST;
    loop {
        let page = runner.storage.inbox(after, PAGE).await.map_err(failed)?;
        let Some(last) = page.last() else { return looked };
        after = last.number;
        let is_last = page.len() < PAGE;
        let mut done = iter(page).map(|row| grant(runner, row)).buffer_unordered(AT_ONCE);
        while let Some(done) = done.next().await {
            looked = done.and(looked);
        }
        if is_last {
            return looked;
        }
    }
}

fn failed(error: StorageError) -> ClusterError {
    ClusterError::Persistence { source: Arc::new(error) }
}

/// What became of a wish.
enum Granted {
    Done,
    /// Nothing was to be done, for this reason.
    Void(&'static str),
    /// It waits for a handler.
    NotYet,
}

/// Does what a row says and takes it away.
async fn grant(runner: &Arc<Runner>, row: InboxRow) -> Result<(), ClusterError> {
    let InboxRow { number, wished } = row;
    let Wished { request, wish } = match wished {
        Ok(wished) => wished,
        Err(error) => {
            take(runner, number).await?;
            count("none");
            tracing::warn!(row = %number, %error, "a row of the inbox was not understood");
            return Ok(());
        }
    };
    let granted = match find(runner, request).await {
        Ok(found) => apply(runner, number, wish, &found).await?,
        Err(ClusterError::Retired { .. }) => Granted::Void("it is not stored, or not any more"),
        Err(error) => return Err(error),
    };
    match granted {
        Granted::NotYet => return Ok(()),
        // Its row went with it.
        Granted::Done if wish == Wish::Redrive => {}
        Granted::Done | Granted::Void(_) => take(runner, number).await?,
    }
    count(wish.as_str());
    match granted {
        Granted::Void(why) => {
            tracing::warn!(%request, %wish, why, "a wish of the inbox came to nothing");
        }
        _ => tracing::info!(%request, %wish, "a wish of the inbox was done"),
    }
    Ok(())
}

async fn apply(
    runner: &Arc<Runner>,
    number: InboxNumber,
    wish: Wish,
    found: &FoundRequest,
) -> Result<Granted, ClusterError> {
    const NO_DEAD_LETTER: Granted = Granted::Void("it is no dead letter, or not any more");
    match wish {
        Wish::Redrive => {
            let Some(died_at) = died_at(runner, found).await.map_err(failed)? else {
                return Ok(NO_DEAD_LETTER);
            };
            redrive(runner, &found.request, died_at, Some(number)).await?;
            Ok(Granted::Done)
        }
        Wish::Discard if !found.dead => Ok(NO_DEAD_LETTER),
        Wish::Cancel if found.outcome.is_some() => Ok(Granted::Void("it has ended")),
        Wish::Discard | Wish::Cancel => {
            match cancel_within(runner, found.request.id, Some(PATIENCE)).await {
                Ok(Some(_)) => Ok(Granted::Done),
                Ok(None) => Ok(Granted::NotYet),
                // It has ended and was removed meanwhile.
                Err(ClusterError::Retired { .. }) => Ok(Granted::Done),
                Err(error) => Err(error),
            }
        }
    }
}

/// When a request was given up, if it is a dead letter.
async fn died_at(runner: &Runner, found: &FoundRequest) -> Result<Option<Timestamp>, StorageError> {
    if !found.dead {
        return Ok(None);
    }
    let seq = found.request.seq;
    let before = Seq::new(seq.as_u64().saturating_sub(1));
    let letters = runner.storage.dead_letters(before, 1).await?;
    let letter = letters.into_iter().find(|letter| letter.request.seq == seq);
    Ok(letter.map(|letter| letter.died_at))
}

/// Takes away a row for which nothing more is to be done.
async fn take(runner: &Arc<Runner>, number: InboxNumber) -> Result<(), ClusterError> {
    write(runner, Writes { taken: Some(number), ..Writes::default() }).await
}

fn count(wish: &'static str) {
    metrics::counter!(metric::INBOX, "wish" => wish).increment(1);
}
