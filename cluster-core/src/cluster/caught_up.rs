//! Waiting until nothing is left to do.

use super::error::Result;
use crate::entity::Runner;
use crate::error::ClusterError;
use crate::id::{RequestId, Seq};
use crate::storage::{PendingScan, StorageError};

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
    while let Some((first, request)) = first_pending(runner, after).await? {
        // Wait first, then look: an end that comes in between is seen twice, never missed.
        let told = runner.waiters.wait(request, None);
        runner.gate.check(false)?;
        if has_ended(runner, request).await? {
            // Nothing new appears below: what is accepted gets a higher place than all before it,
            // and what a handler sends a higher one than its own request, which ends with it.
            after = first;
            continue;
        }
        if let Ok(Err(ClusterError::ShuttingDown)) | Err(_) = told.await {
            return Err(ClusterError::ShuttingDown.into());
        }
    }
    Ok(())
}

async fn first_pending(
    runner: &Runner,
    after: Seq,
) -> Result<Option<(Seq, RequestId)>, StorageError> {
    loop {
        let fence = runner.committer.fence();
        let scan = PendingScan { after, entity: None, limit: 1, bytes: 1 };
        match runner.storage.load_pending(fence, scan).await {
            Ok(page) => {
                return Ok(page.first().map(|first| (first.request.seq, first.request.id)));
            }
            // The committer has raised the fence meanwhile; this runner is alive.
            Err(StorageError::Fenced { .. }) if runner.committer.fence() != fence => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether the request has its outcome, or is a dead letter.
async fn has_ended(runner: &Runner, request: RequestId) -> Result<bool, StorageError> {
    let found = runner.storage.find_requests(vec![request]).await?.pop().flatten();
    Ok(found.is_none_or(|found| found.outcome.is_some() || found.dead))
}
