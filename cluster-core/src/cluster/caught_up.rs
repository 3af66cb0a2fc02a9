//! Waiting until nothing is left to do.

use super::error::Result;
use crate::entity::Runner;
use crate::error::ClusterError;
use crate::id::{RequestId, Seq};
use crate::storage::{PendingScan, StorageError};

/// Waits for the first request without an outcome, again and again until there is none. What such a
/// request sends is stored when it ends, so nothing is missed in between.
pub(super) async fn caught_up(runner: &Runner) -> Result<()> {
    let mut after = Seq::default();
    while let Some((first, request)) = first_pending(runner, after).await? {
        // Wait first, then look: an end that comes in between is seen twice, never missed.
        let ended = runner.waiters.wait(request);
        if !has_ended(runner, request).await? {
            // Whatever it is told, it has ended; unless the runner has.
            if let Ok(Err(ClusterError::ShuttingDown)) | Err(_) = ended.await {
                return Err(ClusterError::ShuttingDown.into());
            }
        }
        // Nothing new appears below: what is accepted gets a higher place than all before it, and
        // what a handler sends a higher one than its own request, which ends in the same commit.
        after = first;
    }
    Ok(())
}

async fn first_pending(
    runner: &Runner,
    after: Seq,
) -> Result<Option<(Seq, RequestId)>, StorageError> {
    loop {
        let fence = runner.committer.fence();
        let scan = PendingScan { after, entity: None, limit: 1 };
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
