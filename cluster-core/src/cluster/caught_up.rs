//! Waiting until nothing is left to do.

use super::error::Result;
use crate::entity::Runner;
use crate::error::ClusterError;
use crate::id::{RequestId, Seq};
use crate::storage::{BoxFuture, Due, DueScan, Fence, PendingScan, StorageError};

pub(super) async fn caught_up(runner: &Runner) -> Result<()> {
    match end_of_all(runner).await {
        // A runner that has left its database cannot read it any more.
        Err(_) if !runner.gate.is_open() => Err(ClusterError::ShuttingDown.into()),
        result => result,
    }
}

/// Waits for the first request without an outcome, again and again until there is none. What such a
/// request sends is stored when it ends, so nothing is missed in between.
async fn end_of_all(runner: &Runner) -> Result<()> {
    let mut after = Seq::default();
    loop {
        while let Some((first, request)) = first_pending(runner, after).await? {
            if end_of(runner, request).await? {
                // Nothing new appears below: what is accepted gets a higher place than all before
                // it, and what a handler sends a higher one than its own request, which ends with
                // it.
                after = first;
            }
        }
        match first_due(runner).await? {
            Some(request) => _ = end_of(runner, request).await?,
            None => return Ok(()),
        }
    }
}

/// Waits until something has become of the request; says whether that was so before.
async fn end_of(runner: &Runner, request: RequestId) -> Result<bool> {
    // Wait first, then look: an end that comes in between is seen twice, never missed.
    let told = runner.waiters.wait(request, None);
    runner.gate.check(false)?;
    if has_ended(runner, request).await? {
        return Ok(true);
    }
    match told.await {
        Ok(Err(ClusterError::ShuttingDown)) | Err(_) => Err(ClusterError::ShuttingDown.into()),
        _ => Ok(false),
    }
}

async fn first_pending(
    runner: &Runner,
    after: Seq,
) -> Result<Option<(Seq, RequestId)>, StorageError> {
    let scan = PendingScan { after, entity: None, limit: 1, bytes: 1 };
    let page = asked(runner, |fence| runner.storage.load_pending(fence, scan.clone())).await?;
    Ok(page.first().map(|first| (first.request.seq, first.request.id)))
}

/// The first request that is overdue or in retry back-off.
async fn first_due(runner: &Runner) -> Result<Option<RequestId>, StorageError> {
    let now = runner.clock.wall();
    let last = now.after(runner.backoff_longest);
    let mut after = Due::FIRST;
    loop {
        let (limit, bytes) = (runner.config.load_page, runner.config.load_page_bytes);
        let scan = DueScan { after, limit, bytes };
        let page = asked(runner, |fence| runner.storage.load_due(fence, scan)).await?;
        let wanted = page
            .iter()
            .find(|found| found.attempts > 0 || found.due_at.is_some_and(|due_at| due_at <= now));
        let end = page.last().and_then(|end| Some(Due { at: end.due_at?, seq: end.request.seq }));
        match (wanted, end) {
            (Some(found), _) => return Ok(Some(found.request.id)),
            (None, Some(end)) if end.at <= last => after = end,
            (None, _) => return Ok(None),
        }
    }
}

/// Asks the storage, under the fence in force.
async fn asked<'a, T>(
    runner: &Runner,
    ask: impl Fn(Fence) -> BoxFuture<'a, Result<T, StorageError>>,
) -> Result<T, StorageError> {
    loop {
        let fence = runner.committer.fence();
        match ask(fence).await {
            // The committer has raised the fence meanwhile, or is about to learn that it has; this
            // runner is alive.
            Err(StorageError::Fenced { .. }) if runner.committer.is_raised(fence).await => {}
            answer => return answer,
        }
    }
}

/// Whether the request has its outcome, is a dead letter, or held.
async fn has_ended(runner: &Runner, request: RequestId) -> Result<bool, StorageError> {
    let found = runner.storage.find_requests(vec![request]).await?.pop().flatten();
    Ok(found.is_none_or(|found| found.outcome.is_some() || found.dead || found.held.is_some()))
}
