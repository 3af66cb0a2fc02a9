//! Steps that run beside each other: their names are fixed when they are made.

use cluster::prelude::*;
use cluster::storage::JournalKind;
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::support::{Bed, Probe, backends};

struct Fan {
    probe: Probe,
}

#[workflow(name = "fan", version = 1)]
impl Fan {
    #[run]
    async fn run(&self, ctx: &Workflow, crowd: bool) -> Vec<String> {
        let branches = (1..=5).map(|branch| self.branch(branch));
        let mut results = if crowd {
            // Woken one by one, in the order in which they end.
            branches.collect::<FuturesUnordered<_>>().collect::<Vec<_>>().await
        } else {
            futures_util::future::join_all(branches).await
        };
        let end: u32 = ctx.deferred("end").await.unwrap_or_default();
        results.push(format!("end {end}"));
        results
    }

    /// The second step of a branch is made when its first has ended: its occurrence tells which
    /// branch was quicker.
    async fn branch(&self, branch: u32) -> String {
        let first = self.work(branch).await;
        format!("{branch}: {first}, {}", self.follow(branch).await)
    }

    #[step]
    async fn work(&self, branch: u32) -> String {
        self.probe.pass(format!("work {branch}")).await;
        format!("work of {branch}")
    }

    #[step]
    async fn follow(&self, branch: u32) -> String {
        self.probe.note(format!("follow {branch}"));
        format!("follow of {branch}")
    }
}

// proves: B195
async fn a_join_replays_to_the_same_names_in_whatever_order_its_steps_end(bed: fn() -> Bed) {
    let orders = [[1, 2, 3, 4, 5], [5, 4, 3, 2, 1], [3, 1, 5, 2, 4], [2, 5, 1, 4, 3]];
    for (order, crowd) in orders.into_iter().flat_map(|order| [(order, false), (order, true)]) {
        let (bed, probe) = (bed(), Probe::default());
        (1..=5).for_each(|branch| probe.close(format!("work {branch}")));
        let fan = |probe: &Probe| {
            let probe = probe.clone();
            move || Fan { probe: probe.clone() }
        };
        let cluster = bed.start(|builder| builder.workflow_with(fan(&probe))).await;
        cluster.workflow::<Fan>().start(crowd).key("k").await.unwrap();
        bed.settle().await;
        for branch in order {
            probe.open(&format!("work {branch}"));
            bed.settle().await;
        }
        drop(cluster);
        bed.settle().await;
        let before = bed.history().await;
        let ended: Vec<u32> = before
            .entries
            .iter()
            .filter(|entry| entry.kind == JournalKind::StepEnded && &*entry.name == "work")
            .map(|entry| entry.occurrence)
            .collect();
        assert_eq!(ended, order);

        // Nothing runs again, and what is made anew has the names that it had.
        let log = probe.log();
        let cluster = bed.start(|builder| builder.workflow_with(fan(&probe))).await;
        let run = cluster.workflow::<Fan>().find("k").await.unwrap().unwrap();
        cluster.complete(run.deferred::<u32>("end").token(), 7).await.unwrap();
        let result = run.result().await.unwrap();
        let of = |branch: u32| format!("{branch}: work of {branch}, follow of {branch}");
        let mut expected: Vec<String> = match crowd {
            true => order.into_iter().map(of).collect(),
            false => (1..=5).map(of).collect(),
        };
        expected.push("end 7".into());
        assert_eq!(result, expected, "{order:?}");
        assert_eq!(probe.log(), log);
        drop((run, cluster));
        bed.settle().await;
        let after = bed.history().await;
        assert_eq!(after.entries[..before.entries.len()], before.entries[..]);
    }
}

/// All ends come between two polls of the body, which is told of one after the other.
// proves: B195
async fn steps_that_end_at_once_end_in_their_order(bed: fn() -> Bed) {
    for crowd in [false, true] {
        let (bed, probe) = (bed(), Probe::default());
        (1..=5).for_each(|branch| probe.close(format!("work {branch}")));
        let fan = |probe: &Probe| {
            let probe = probe.clone();
            move || Fan { probe: probe.clone() }
        };
        let cluster = bed.start(|builder| builder.workflow_with(fan(&probe))).await;
        cluster.workflow::<Fan>().start(crowd).key("k").await.unwrap();
        bed.settle().await;
        // Nothing runs between these.
        (1..=5).for_each(|branch| probe.open(&format!("work {branch}")));
        bed.settle().await;
        drop(cluster);
        bed.settle().await;
        let history = bed.history().await;
        let works = history.entries.iter().filter(|entry| &*entry.name == "work");
        let order: Vec<u32> = works.map(|entry| entry.occurrence).collect();
        if !crowd {
            assert_eq!(order, [1, 2, 3, 4, 5], "they were polled in this order");
        }
        let followed: Vec<String> =
            probe.log().into_iter().filter(|noted| noted.starts_with("follow")).collect();
        let expected: Vec<String> = order.iter().map(|branch| format!("follow {branch}")).collect();
        assert_eq!(followed, expected, "each went on when it was told");

        let cluster = bed.start(|builder| builder.workflow_with(fan(&probe))).await;
        let run = cluster.workflow::<Fan>().find("k").await.unwrap().unwrap();
        cluster.complete(run.deferred::<u32>("end").token(), 7).await.unwrap();
        let result = run.result().await.unwrap();
        let of = |branch: u32| format!("{branch}: work of {branch}, follow of {branch}");
        let order = if crowd { order } else { vec![1, 2, 3, 4, 5] };
        let expected = order.into_iter().map(of).chain(["end 7".to_owned()]);
        assert_eq!(result, expected.collect::<Vec<_>>());
    }
}

/// A step against a clock.
struct Race {
    probe: Probe,
}

#[workflow(name = "race", version = 1)]
impl Race {
    #[run]
    async fn run(&self, ctx: &Workflow) -> String {
        let winner = tokio::select! {
            biased;
            result = self.slow() => result,
            () = ctx.sleep("limit", Duration::from_secs(5)) => "too late".to_owned(),
        };
        let end: u32 = ctx.deferred("end").await.unwrap_or_default();
        format!("{winner}, {end}")
    }

    #[step]
    async fn slow(&self) -> String {
        self.probe.pass("slow").await;
        "in time".to_owned()
    }
}

/// Also the beginning of B196 and B197: the journal's order is the winner's record.
// proves: B195
async fn the_winner_of_a_race_is_the_same_again(bed: fn() -> Bed) {
    let (bed, probe) = (bed(), Probe::default());
    probe.close("slow");
    let race = |probe: &Probe| {
        let probe = probe.clone();
        move || Race { probe: probe.clone() }
    };
    let cluster = bed.start(|builder| builder.workflow_with(race(&probe))).await;
    cluster.workflow::<Race>().start().key("k").await.unwrap();
    bed.advance(Duration::from_secs(6)).await;
    drop(cluster);
    bed.settle().await;
    // The loser would win now.
    probe.open("slow");
    let cluster = bed.start(|builder| builder.workflow_with(race(&probe))).await;
    let run = cluster.workflow::<Race>().find("k").await.unwrap().unwrap();
    cluster.complete(run.deferred::<u32>("end").token(), 1).await.unwrap();
    assert_eq!(run.result().await.unwrap(), "too late, 1");
    assert_eq!(probe.count("slow"), 1);
}

backends!(
    a_join_replays_to_the_same_names_in_whatever_order_its_steps_end,
    steps_that_end_at_once_end_in_their_order,
    the_winner_of_a_race_is_the_same_again,
);
