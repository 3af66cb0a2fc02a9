//! Sleeps, which outlive the process.

use cluster::prelude::*;
use cluster::{ExecutionHandle, Progress};

use crate::support::{Bed, backends, dead_letters};

#[derive(Default)]
struct Sleeper;

#[workflow(name = "sleeper", version = 1)]
impl Sleeper {
    #[run]
    async fn run(&self, ctx: &Workflow, naps: Vec<u64>) -> usize {
        for nap in &naps {
            ctx.sleep("nap", Duration::from_millis(*nap)).await;
        }
        naps.len()
    }
}

async fn start(bed: &Bed) -> Cluster {
    bed.start(|builder| builder.workflow::<Sleeper>()).await
}

async fn is_finished(run: &ExecutionHandle<Sleeper>) -> bool {
    matches!(run.poll().await.unwrap(), Progress::Finished(_))
}

// proves: B181
async fn two_sleeps_of_one_name_both_sleep(bed: fn() -> Bed) {
    let bed = bed();
    let cluster = start(&bed).await;
    let run = cluster.workflow::<Sleeper>().start(vec![1000, 1000, 0]).await.unwrap();
    bed.advance(Duration::from_millis(1999)).await;
    assert!(matches!(run.poll().await.unwrap(), Progress::Waiting));
    bed.advance(Duration::from_millis(1)).await;
    assert!(is_finished(&run).await, "after two seconds, and no longer");
}

// proves: B182
async fn a_crash_does_not_begin_a_sleep_anew(bed: fn() -> Bed) {
    let bed = bed();
    let cluster = start(&bed).await;
    cluster.workflow::<Sleeper>().start(vec![60_000]).key("k").await.unwrap();
    bed.advance(Duration::from_secs(20)).await;
    drop(cluster);
    bed.settle().await;
    bed.pass(Duration::from_secs(15));
    let cluster = start(&bed).await;
    bed.advance(Duration::from_secs(20)).await;
    drop(cluster);
    bed.settle().await;

    let cluster = start(&bed).await;
    let run = cluster.workflow::<Sleeper>().find("k").await.unwrap().unwrap();
    bed.advance(Duration::from_millis(4_900)).await;
    assert!(!is_finished(&run).await, "not before its time");
    bed.advance(Duration::from_millis(200)).await;
    assert!(is_finished(&run).await, "within 100 ms of it");
}

// proves: B182
async fn a_sleep_that_ended_while_nothing_ran_ends_at_once(bed: fn() -> Bed) {
    let bed = bed();
    let cluster = start(&bed).await;
    cluster.workflow::<Sleeper>().start(vec![60_000]).key("k").await.unwrap();
    bed.settle().await;
    drop(cluster);
    bed.settle().await;
    bed.pass(Duration::from_secs(3600));
    let cluster = start(&bed).await;
    let run = cluster.workflow::<Sleeper>().find("k").await.unwrap().unwrap();
    bed.advance(Duration::from_millis(100)).await;
    assert!(is_finished(&run).await);
}

/// Also one that runs, and has armed its timer: each renewal of the lease measures that clock.
async fn a_sleep_ends_by_the_databases_clock(bed: fn() -> Bed) {
    const MINUTE: Duration = Duration::from_secs(60);
    let bed = bed();
    let cluster = start(&bed).await;
    let run = cluster.workflow::<Sleeper>().start(vec![3_600_000]).await.unwrap();
    bed.advance(MINUTE).await;
    bed.set_cluster_time_offset(30 * 60_000).await;
    bed.advance(28 * MINUTE).await;
    assert!(!is_finished(&run).await, "a minute is left");
    bed.advance(MINUTE).await;
    assert!(is_finished(&run).await);

    let run = cluster.workflow::<Sleeper>().start(vec![3_600_000]).await.unwrap();
    bed.advance(MINUTE).await;
    bed.set_cluster_time_offset(0).await;
    bed.advance(Duration::from_secs(1)).await;
    bed.advance(88 * MINUTE).await;
    assert!(!is_finished(&run).await, "it is earlier than it was");
    bed.advance(MINUTE).await;
    assert!(is_finished(&run).await);
}

// proves: B183
async fn a_sleep_of_hours_is_no_failure(bed: fn() -> Bed) {
    let bed = bed();
    let cluster = start(&bed).await;
    let hours = 3 * 3_600_000;
    let run = cluster.workflow::<Sleeper>().start(vec![hours]).key("k").await.unwrap();
    bed.settle().await;
    let loads = bed.watch.calls("load_journal");
    for _ in 0..12 {
        bed.advance(Duration::from_secs(900 - 1)).await;
        assert!(dead_letters(&cluster).await.is_empty());
    }
    assert!(matches!(run.poll().await.unwrap(), Progress::Waiting));
    assert_eq!(bed.watch.calls("load_journal"), loads, "it is delivered once");
    bed.advance(Duration::from_secs(12)).await;
    assert_eq!(run.result().await.unwrap(), 1);
    assert_eq!(bed.watch.calls("load_journal"), loads);
}

backends!(
    two_sleeps_of_one_name_both_sleep,
    a_crash_does_not_begin_a_sleep_anew,
    a_sleep_that_ended_while_nothing_ran_ends_at_once,
    a_sleep_ends_by_the_databases_clock,
    a_sleep_of_hours_is_no_failure,
);
