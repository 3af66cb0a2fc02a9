//! The end of a runner, with executions that wait.

use cluster::Progress;
use cluster::prelude::*;
use cluster::storage::JournalKind;

use crate::support::{Bed, Probe, backends, dead_letters};

struct Nap {
    probe: Probe,
}

#[workflow(name = "nap", version = 1)]
impl Nap {
    #[run]
    async fn run(&self, ctx: &Workflow) -> u32 {
        let first = self.work(1).await;
        ctx.sleep("nap", Duration::from_secs(3600)).await;
        first + self.work(2).await
    }

    #[step]
    async fn work(&self, number: u32) -> u32 {
        self.probe.pass(format!("work {number}")).await;
        number
    }
}

async fn start(bed: &Bed, probe: &Probe) -> Cluster {
    let probe = probe.clone();
    bed.start(|b| b.workflow_with(move || Nap { probe: probe.clone() })).await
}

// proves: B183
async fn an_execution_that_waits_does_not_hold_up_a_shutdown(bed: fn() -> Bed) {
    let (bed, probe) = (bed(), Probe::default());
    let cluster = start(&bed, &probe).await;
    cluster.workflow::<Nap>().start().key("k").await.unwrap();
    bed.settle().await;
    // No time passes.
    cluster.shutdown().await.unwrap();
    drop(cluster);
    bed.settle().await;

    let cluster = start(&bed, &probe).await;
    bed.settle().await;
    assert!(dead_letters(&cluster).await.is_empty());
    let run = cluster.workflow::<Nap>().find("k").await.unwrap().unwrap();
    assert!(matches!(run.poll().await.unwrap(), Progress::Waiting));
    bed.advance(Duration::from_secs(3601)).await;
    assert_eq!(run.result().await.unwrap(), 3);
    assert_eq!(probe.log(), ["work 1", "work 2"]);
}

// proves: B173
async fn a_step_that_runs_is_waited_for_and_kept(bed: fn() -> Bed) {
    let (bed, probe) = (bed(), Probe::default());
    probe.close("work 1");
    let cluster = start(&bed, &probe).await;
    cluster.workflow::<Nap>().start().key("k").await.unwrap();
    bed.settle().await;
    let ending = tokio::spawn({
        let cluster = cluster.clone();
        async move { cluster.shutdown().await }
    });
    bed.settle().await;
    assert!(!ending.is_finished());
    probe.open("work 1");
    ending.await.unwrap().unwrap();
    drop(cluster);
    bed.settle().await;
    let history = bed.history().await;
    assert_eq!(history.entries[0].kind, JournalKind::StepEnded);
    assert_eq!(probe.log(), ["work 1"]);
}

backends!(
    an_execution_that_waits_does_not_hold_up_a_shutdown,
    a_step_that_runs_is_waited_for_and_kept,
);
