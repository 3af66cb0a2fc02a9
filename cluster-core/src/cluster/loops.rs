//! The loops of a runner, and its end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::inbox::read_inbox;
use super::lease::keep_lease;
use super::retention::retire;
use crate::commit::Track;
use crate::entity::{
    Gate, Runner, bring_back_kept, load_due, load_pending, run_alarms, run_schedule,
    watch_deadlines,
};
use crate::metric;
use crate::storage::StorageError;

/// The shortest and the longest pause between two looks for idle entities.
const SWEEP_PAUSE_MIN: Duration = Duration::from_millis(10);
const SWEEP_PAUSE_MAX: Duration = Duration::from_secs(5);

/// Starts everything that runs by itself.
pub(super) fn start(runner: &Arc<Runner>) {
    metric::describe();
    metrics::gauge!(metric::RUNNER).increment(1.0);
    let shards = f64::from(runner.config.shard_count.get());
    for group in &runner.groups {
        metrics::gauge!(metric::SHARDS, "group" => *group).increment(shards);
    }
    let tasks = &runner.tasks;
    tasks.spawn_to_end(commit(runner.clone(), Track::Main));
    if runner.committer.has_two_tracks() {
        tasks.spawn_to_end(commit(runner.clone(), Track::Ends));
    }
    tasks.spawn_loop(load_pending(runner.clone()));
    tasks.spawn_loop(bring_back_kept(runner.clone()));
    tasks.spawn_loop(run_alarms(runner.clone()));
    tasks.spawn_loop(run_schedule(runner.clone()));
    tasks.spawn_loop(load_due(runner.clone()));
    tasks.spawn_loop(watch_deadlines(runner.clone()));
    tasks.spawn_loop(sweep(runner.clone()));
    tasks.spawn_loop(retire(runner.clone()));
    tasks.spawn_loop(keep_lease(runner.clone()));
    tasks.spawn_loop(read_inbox(runner.clone()));
}

/// Runs a track of the committer. A runner that finds itself fenced off stops serving at once.
async fn commit(runner: Arc<Runner>, track: Track) {
    runner.committer.clone().run(track).await;
    if runner.committer.is_fenced() {
        end(&runner);
    }
}

/// Takes idle entities out of memory.
async fn sweep(runner: Arc<Runner>) {
    let idle = runner.all_kinds().iter().map(|kind| kind.idle()).min();
    let pause = idle.unwrap_or(SWEEP_PAUSE_MAX) / 4;
    let pause = pause.clamp(SWEEP_PAUSE_MIN, SWEEP_PAUSE_MAX);
    loop {
        runner.clock.sleep_between_looks(pause).await;
        let now = runner.clock.now();
        for kind in runner.all_kinds() {
            kind.sweep(now);
            tokio::task::yield_now().await;
        }
        runner.committer.waiting();
        runner.schedule.armed();
        runner.waiters.sweep();
    }
}

/// Drains and ends: running handlers finish within the limit, their commits are written, what waits
/// stays in the storage.
pub(super) async fn shut_down(runner: &Arc<Runner>) -> Result<(), StorageError> {
    runner.gate.set(Gate::DRAINING);
    runner.bells.ring_all();
    let limit = runner.config.drain_limit;
    if runner.clock.timeout(limit, drain(runner)).await.is_err() {
        tracing::warn!(
            ?limit,
            "handlers and streams that did not end within the drain limit are dropped"
        );
        close(runner);
        runner.tasks.abort_work();
        runner.tasks.drained().await;
    }
    close(runner);
    runner.tasks.end().await;
    runner.waiters.close();
    runner.tasks.all_told().await;
    let fence = runner.committer.fence();
    end(runner);
    runner.storage.leave(fence).await
}

/// Waits until no handler runs, and takes every entity out of memory: when its last commit is
/// durable, which may let others come to their end.
async fn drain(runner: &Runner) {
    let mut left = usize::MAX;
    loop {
        runner.tasks.drained().await;
        for kind in runner.all_kinds() {
            kind.passivate_all();
        }
        // A plain handler runs in its caller's task, which is none of ours.
        let none_runs = || !runner.all_kinds().iter().any(|kind| kind.is_running());
        runner.residents.wait_for_room(none_runs).await;
        runner.tasks.drained().await;
        let resident = runner.residents.count();
        if resident == 0 || resident >= left {
            return;
        }
        left = resident;
        runner.committer.flushed().await;
    }
}

/// Ends at once what still runs; nothing durable is lost by it.
pub(super) fn end(runner: &Runner) {
    if runner.up.swap(false, Ordering::SeqCst) {
        count_out(runner);
    }
    close(runner);
    runner.tasks.end_now();
    runner.streams.close();
    runner.alarms.close();
    runner.schedule.close();
    runner.waiters.close();
    runner.close();
}

/// Takes no more calls and nothing more to write. Before any handler is dropped or any of its calls
/// refused: what another makes of that on its way to its own end must not become its outcome.
fn close(runner: &Runner) {
    runner.committer.close();
    runner.gate.set(Gate::CLOSED);
}

/// Tells the metrics that the runner serves no more.
fn count_out(runner: &Runner) {
    runner.all_kinds().iter().for_each(|kind| kind.metrics().count_out());
    metrics::gauge!(metric::RUNNER).decrement(1.0);
    let shards = f64::from(runner.config.shard_count.get());
    for group in &runner.groups {
        metrics::gauge!(metric::SHARDS, "group" => *group).decrement(shards);
    }
}
