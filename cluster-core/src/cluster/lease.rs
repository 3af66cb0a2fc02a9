//! Renewing the runner's lease, and measuring cluster time with it.

use std::pin::pin;
use std::sync::Arc;

use crate::entity::Runner;
use crate::error::text;
use crate::metric;
use crate::storage::{Fence, StorageError};

/// Renews the lease again and again, and ends the runner when another one has taken over. To be
/// dropped at the end of the runner. Cancel safe.
pub(super) async fn keep_lease(runner: Arc<Runner>) {
    let mut failing = false;
    loop {
        runner.clock.sleep_between_looks(runner.config.renewal).await;
        let renewed = tell_age(&runner, renew(&runner)).await;
        let failed = renewed.is_err();
        match renewed {
            Ok(()) if failing => tracing::info!("the lease is renewed again"),
            Ok(()) => {}
            Err(error @ StorageError::Fenced { .. }) => {
                tracing::error!(
                    error = text(&error),
                    "this runner ends: another one has taken over"
                );
                runner.committer.fence_off();
                return;
            }
            // Once for as long as it fails.
            Err(_) if failing => {}
            Err(error) => tracing::warn!(
                error = text(&error),
                "the lease could not be renewed, trying again: where others can take over, they \
                 may when it has run out"
            ),
        }
        failing = failed;
    }
}

/// Does the work and tells the metrics meanwhile how old the lease is: the storage may take its
/// time.
async fn tell_age<T>(runner: &Runner, work: impl Future<Output = T>) -> T {
    let gauge = metrics::gauge!(metric::LEASE_AGE);
    let tell = || gauge.set(runner.lease.age(runner.clock.now()).as_secs_f64());
    let mut work = pin!(work);
    tell();
    loop {
        tokio::select! {
            biased;
            done = &mut work => {
                tell();
                return done;
            }
            () = runner.clock.sleep_between_looks(runner.config.renewal) => tell(),
        }
    }
}

/// Renews the lease once.
///
/// # Errors
/// `Fenced` when another incarnation has taken over; otherwise it is tried again at the next turn.
async fn renew(runner: &Runner) -> Result<(), StorageError> {
    loop {
        let fence = runner.committer.fence();
        match ask(runner, fence).await {
            // For a transaction that was lost meanwhile.
            Err(StorageError::Fenced { .. }) if runner.committer.is_raised(fence).await => {}
            renewed => return renewed,
        }
    }
}

async fn ask(runner: &Runner, fence: Fence) -> Result<(), StorageError> {
    let asked = runner.clock.asks();
    let now = runner.storage.renew(fence, runner.config.lease).await?;
    runner.lease.renew(asked.moment);
    let before = runner.clock.ahead_ms();
    if runner.clock.was_told(asked, now) {
        let ahead_ms = runner.clock.ahead_ms();
        tracing::info!(
            by_ms = ahead_ms.saturating_sub(before),
            ahead_ms,
            "the time of day is corrected to the database's"
        );
        // What waits for a time has armed a timer by the time of day as it was.
        runner.schedule.look();
        runner.bells.ring_all();
    }
    Ok(())
}
