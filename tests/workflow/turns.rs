//! A body is told of one end after the other, however busy its task is.

use cluster::prelude::*;

use crate::support::{Bed, Probe, backends};

struct Busy {
    probe: Probe,
}

#[workflow(name = "busy", version = 1)]
impl Busy {
    #[run]
    async fn run(&self, ctx: &Workflow) -> String {
        let (one, two) = (ctx.deferred::<u32>("one"), ctx.deferred::<u32>("two"));
        let race = async {
            // Does not look at its branches while its task has nothing left to do.
            tokio::select! {
                biased;
                _ = two => "two",
                _ = one => "one",
            }
        };
        let ((), winner) = futures_util::future::join(self.hog(), race).await;
        let noted = self.note(winner.to_owned()).await;
        let end: u32 = ctx.deferred("end").await.unwrap_or_default();
        format!("{winner}, noted {noted}, {end}")
    }

    /// Takes all that its task may do at a time.
    #[step]
    async fn hog(&self) {
        while self.probe.is_closed("hog") {
            tokio::task::consume_budget().await;
        }
    }

    #[step]
    async fn note(&self, winner: String) -> String {
        self.probe.note(winner.clone());
        winner
    }
}

// proves: B195
async fn who_wins_in_a_busy_task_is_who_wins_again(bed: fn() -> Bed) {
    let (bed, probe) = (bed(), Probe::default());
    probe.close("hog");
    let busy = |probe: &Probe| {
        let probe = probe.clone();
        move || Busy { probe: probe.clone() }
    };
    let cluster = bed.start(|builder| builder.workflow_with(busy(&probe))).await;
    let run = cluster.workflow::<Busy>().start().key("k").await.unwrap();
    bed.settle().await;
    for name in ["one", "two"] {
        cluster.complete(run.deferred::<u32>(name).token(), 1).await.unwrap();
        bed.settle().await;
    }
    probe.open("hog");
    bed.settle().await;
    assert_eq!(probe.log(), ["one"], "it came first");
    drop((run, cluster));
    bed.settle().await;

    let cluster = bed.start(|builder| builder.workflow_with(busy(&probe))).await;
    let run = cluster.workflow::<Busy>().find("k").await.unwrap().unwrap();
    cluster.complete(run.deferred::<u32>("end").token(), 7).await.unwrap();
    assert_eq!(run.result().await.unwrap(), "one, noted one, 7");
    assert_eq!(probe.log(), ["one"]);
}

/// A body that uses what its task may do while it is told of its journal.
struct Counted {
    probe: Probe,
}

#[workflow(name = "counted", version = 1)]
impl Counted {
    #[run]
    async fn run(&self, ctx: &Workflow, rounds: u32) -> u32 {
        let mut sum = 0;
        let lock = tokio::sync::Mutex::new(());
        for _ in 0..rounds {
            let _locked = lock.lock().await;
            tokio::select! {
                one = self.one() => sum += one,
                () = ctx.sleep("never", Duration::from_secs(1_000_000)) => {}
            }
        }
        let end: u32 = ctx.deferred("end").await.unwrap_or_default();
        sum + end
    }

    #[step]
    async fn one(&self) -> u32 {
        self.probe.note("one");
        1
    }
}

// proves: B195, B217
async fn a_long_journal_is_told_whatever_the_body_uses(bed: fn() -> Bed) {
    let (bed, probe) = (bed(), Probe::default());
    let counted = |probe: &Probe| {
        let probe = probe.clone();
        move || Counted { probe: probe.clone() }
    };
    let cluster = bed.start(|builder| builder.workflow_with(counted(&probe))).await;
    cluster.workflow::<Counted>().start(300).key("k").await.unwrap();
    bed.settle().await;
    assert_eq!(probe.count("one"), 300);
    drop(cluster);
    bed.settle().await;
    let cluster = bed.start(|builder| builder.workflow_with(counted(&probe))).await;
    let run = cluster.workflow::<Counted>().find("k").await.unwrap().unwrap();
    cluster.complete(run.deferred::<u32>("end").token(), 7).await.unwrap();
    assert_eq!(run.result().await.unwrap(), 307);
    assert_eq!(probe.count("one"), 300);
}

backends!(who_wins_in_a_busy_task_is_who_wins_again, a_long_journal_is_told_whatever_the_body_uses);
