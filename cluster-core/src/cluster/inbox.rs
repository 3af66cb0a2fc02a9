//! The inbox: what tools with access to the database ask of its owner.
//!
//! All rows are read each time, for they are not committed in the order of their numbers. A redrive
//! is one unit with the end of its row, so it is done once wherever the process dies. The row of a
//! cancel or discard goes after it: done again, they find that the request has ended.

use std::collections::HashSet;
use std::pin::{Pin, pin};
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;

use crate::commit::{Rare, Writes};
use crate::entity::{Runner, cancel, find, redrive, write};
use crate::error::{ClusterError, text};
use crate::id::Seq;
use crate::metric;
use crate::storage::{FoundRequest, InboxNumber, InboxRow, StorageError, Wish, Wished};
use crate::time::{Sleep, Timestamp};

/// How many rows are read at once.
const PAGE: usize = 256;

/// How many rows are under way at once. A cancel is for as long as its handler cannot be stopped:
/// while so many of these wait, what stands behind them does as well.
const UNDER_WAY_MAX: usize = 1_024;

/// Looks again and again. Never ends; to be dropped at the end of the runner. Cancel safe.
pub(super) async fn read_inbox(runner: Arc<Runner>) {
    let mut inbox = Inbox {
        runner,
        under_way: FuturesUnordered::new(),
        numbers: HashSet::new(),
        failing: false,
        failed: false,
    };
    loop {
        let pause = inbox.runner.config.safety_net;
        let mut next_look = pin!(inbox.runner.clock.sleep_between_looks(pause));
        if let Err(error) = inbox.look(next_look.as_mut()).await {
            inbox.has_failed(&error);
        }
        while inbox.ends_before(next_look.as_mut()).await {}
        inbox.tell_if_recovered();
    }
}

/// What became of a row.
type Seen = (InboxNumber, Result<(), ClusterError>);

struct Inbox {
    runner: Arc<Runner>,
    /// At most [`UNDER_WAY_MAX`].
    under_way: FuturesUnordered<BoxFuture<'static, Seen>>,
    /// Which rows these are.
    numbers: HashSet<InboxNumber>,
    /// Something has failed, and that was told.
    failing: bool,
    /// It has since the last look began.
    failed: bool,
}

impl Inbox {
    /// Begins with everything that stands in the inbox, for which there is room.
    async fn look(&mut self, mut next_look: Pin<&mut Sleep>) -> Result<(), ClusterError> {
        let mut after = InboxNumber::FIRST;
        loop {
            let mut page = self.runner.storage.inbox(after, PAGE).await.map_err(failed)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.number;
            let is_last = page.len() < PAGE;
            page.retain(|row| !self.numbers.contains(&row.number));
            for row in page {
                let full = self.under_way.len() == UNDER_WAY_MAX;
                // All of them may wait for handlers.
                if full && !self.ends_before(next_look.as_mut()).await {
                    return Ok(());
                }
                self.begin(row);
            }
            if is_last {
                return Ok(());
            }
        }
    }

    fn begin(&mut self, row: InboxRow) {
        let (runner, number) = (self.runner.clone(), row.number);
        self.numbers.insert(number);
        self.under_way.push(Box::pin(async move { (number, see_to(&runner, row).await) }));
    }

    /// Waits until something ends that is under way; says whether it did before the next look is
    /// due.
    async fn ends_before(&mut self, next_look: Pin<&mut Sleep>) -> bool {
        tokio::select! {
            biased;
            Some((number, seen)) = self.under_way.next() => {
                // One that has failed is begun anew by the next look.
                self.numbers.remove(&number);
                if let Err(error) = seen {
                    self.has_failed(&error);
                }
                true
            }
            () = next_look => false,
        }
    }

    /// Tells it once for as long as it fails.
    fn has_failed(&mut self, error: &ClusterError) {
        if matches!(error, ClusterError::ShuttingDown) {
            return;
        }
        if !self.failing {
            tracing::warn!(
                error = text(&error),
                "what the inbox asks for could not be done, trying again"
            );
        }
        (self.failing, self.failed) = (true, true);
    }

    fn tell_if_recovered(&mut self) {
        if self.failing && !self.failed {
            self.failing = false;
            tracing::info!("what the inbox asks for is done again");
        }
        self.failed = false;
    }
}

fn failed(error: StorageError) -> ClusterError {
    ClusterError::Persistence { source: Arc::new(error) }
}

/// What became of a wish.
enum Granted {
    /// It was done, and its row has gone with it.
    WithRow,
    Done,
    /// Nothing was to be done, for this reason.
    Void(&'static str),
}

/// Does what a row says and takes it away.
async fn see_to(runner: &Arc<Runner>, row: InboxRow) -> Result<(), ClusterError> {
    let InboxRow { number, wished } = row;
    let Wished { request, wish } = match wished {
        Ok(wished) => wished,
        Err(error) => {
            take(runner, number).await?;
            count("none");
            let error = text(&error);
            tracing::warn!(row = %number, error, "a row of the inbox was not understood");
            return Ok(());
        }
    };
    let granted = match find(runner, request).await {
        Ok(found) => grant(runner, number, wish, &found).await,
        Err(error) => Err(error),
    };
    let granted = match granted {
        Err(ClusterError::Retired { .. }) => Granted::Void("it is not stored, or not any more"),
        granted => granted?,
    };
    if !matches!(granted, Granted::WithRow) {
        take(runner, number).await?;
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

async fn grant(
    runner: &Arc<Runner>,
    number: InboxNumber,
    wish: Wish,
    found: &FoundRequest,
) -> Result<Granted, ClusterError> {
    let no_dead_letter = Granted::Void("it is no dead letter, or not any more");
    match wish {
        Wish::Redrive => match died_at(runner, found).await.map_err(failed)? {
            None => Ok(no_dead_letter),
            Some(died_at) => {
                redrive(runner, &found.request, died_at, Some(number)).await?;
                Ok(Granted::WithRow)
            }
        },
        Wish::Discard if !found.dead => Ok(no_dead_letter),
        Wish::Cancel if found.outcome.is_some() => Ok(Granted::Void("it has ended")),
        Wish::Discard | Wish::Cancel => {
            cancel(runner, found.request.id).await?;
            Ok(Granted::Done)
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
    write(runner, Writes::rare(Rare { taken: Some(number), ..Rare::default() })).await
}

fn count(wish: &'static str) {
    metrics::counter!(metric::INBOX, "wish" => wish).increment(1);
}
