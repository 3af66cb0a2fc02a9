//! All unfinished executions go on after a restart, at a cost that their steps do not raise.

use cluster::prelude::*;

use crate::support::{Bed, Probe, backends};

struct Long {
    probe: Probe,
}

#[workflow(name = "long", version = 1)]
impl Long {
    #[run]
    async fn run(&self, ctx: &Workflow, steps: u32) -> u64 {
        let mut sum = 0;
        for number in 0..steps {
            sum += u64::from(self.count(number).await);
        }
        let end: u64 = ctx.deferred("end").await.unwrap_or_default();
        sum + end
    }

    #[step]
    async fn count(&self, number: u32) -> u32 {
        self.probe.note("count");
        number
    }
}

async fn start(bed: &Bed, probe: &Probe) -> Cluster {
    let probe = probe.clone();
    bed.start(|b| b.workflow_with(move || Long { probe: probe.clone() })).await
}

// proves: B216
async fn every_unfinished_execution_goes_on_by_itself(bed: fn() -> Bed) {
    let (bed, probe) = (bed(), Probe::default());
    let cluster = start(&bed, &probe).await;
    for number in 0..50 {
        cluster.workflow::<Long>().start(number % 4).key(number.to_string()).await.unwrap();
    }
    bed.settle().await;
    let runs = probe.count("count");
    drop(cluster);
    bed.settle().await;

    let loads = bed.watch.calls("load_journal");
    let cluster = start(&bed, &probe).await;
    bed.settle().await;
    assert_eq!(bed.watch.calls("load_journal") - loads, 50, "one query for each");
    for number in 0..50_u64 {
        let run = cluster.workflow::<Long>().find(number.to_string()).await.unwrap().unwrap();
        cluster.complete(run.deferred::<u64>("end").token(), 100).await.unwrap();
        let sum: u64 = (0..number % 4).sum();
        assert_eq!(run.result().await.unwrap(), sum + 100);
    }
    assert_eq!(probe.count("count"), runs, "no step ran again");
}

/// What a recovery of an execution with so many steps asks of the storage.
async fn cost_of_recovery(bed: Bed, steps: u32) -> u64 {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    cluster.workflow::<Long>().start(steps).key("k").await.unwrap();
    bed.settle().await;
    assert_eq!(probe.count("count"), steps as usize);
    drop(cluster);
    bed.settle().await;

    let before = bed.watch.all_calls();
    let cluster = start(&bed, &probe).await;
    bed.settle().await;
    let cost = bed.watch.all_calls() - before;
    let run = cluster.workflow::<Long>().find("k").await.unwrap().unwrap();
    cluster.complete(run.deferred::<u64>("end").token(), 1).await.unwrap();
    let sum: u64 = (0..u64::from(steps)).sum();
    assert_eq!(run.result().await.unwrap(), sum + 1);
    assert_eq!(probe.count("count"), steps as usize, "no step ran again");
    cost
}

// proves: B217
async fn a_thousand_steps_cost_no_more_than_two(bed: fn() -> Bed) {
    let (few, many) = (cost_of_recovery(bed(), 2).await, cost_of_recovery(bed(), 1000).await);
    assert_eq!(few, many);
}

/// A commit to accept, one for each step but the last, whose result stands with the outcome.
async fn a_step_costs_one_commit(bed: fn() -> Bed) {
    let (bed, probe) = (bed(), Probe::default());
    let cluster = start(&bed, &probe).await;
    let runs = cluster.workflow::<Long>();
    let run = runs.start(3).key("k").await.unwrap();
    cluster.complete(run.deferred::<u64>("end").token(), 0).await.unwrap();
    bed.settle().await;
    let run = runs.start(3).key("l").await.unwrap();
    bed.settle().await;
    let before = bed.watch.calls("commit");
    drop(run);
    let run = runs.start(3).key("m").await.unwrap();
    bed.settle().await;
    assert_eq!(bed.watch.calls("commit") - before, 4);
    drop(run);
}

backends!(
    every_unfinished_execution_goes_on_by_itself,
    a_thousand_steps_cost_no_more_than_two,
    a_step_costs_one_commit,
);
