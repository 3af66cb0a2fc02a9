//! Values from outside: whenever they come, they arrive, and the first one holds.

use std::future::poll_fn;
use std::task::Poll;

use cluster::prelude::*;
use cluster::{Completion, DeferredFailed, DeferredToken, ExecutionHandle};

use crate::support::{Bed, Probe, backends, watched};

struct Asker {
    probe: Probe,
}

#[workflow(name = "asker", version = 1)]
impl Asker {
    #[run]
    async fn run(&self, ctx: &Workflow) -> Result<(u32, u32), String> {
        let first = ctx.deferred::<u32>("answer");
        self.think().await;
        let second = ctx.deferred::<u32>("answer");
        let lift = |failed: DeferredFailed| failed.reason;
        Ok((first.await.map_err(lift)?, second.await.map_err(lift)?))
    }

    #[step]
    async fn think(&self) {
        self.probe.pass("think").await;
    }
}

async fn start(bed: &Bed, probe: &Probe) -> Cluster {
    let probe = probe.clone();
    bed.start(|b| b.workflow_with(move || Asker { probe: probe.clone() })).await
}

fn token(run: &ExecutionHandle<Asker>, occurrence: u32) -> DeferredToken<u32> {
    run.deferred("answer").occurrence(occurrence).token()
}

// proves: B185, B186
async fn it_may_be_completed_before_during_and_after_its_await(bed: fn() -> Bed) {
    let (bed, probe) = (bed(), Probe::default());
    let cluster = start(&bed, &probe).await;
    let askers = cluster.workflow::<Asker>();
    // Before: even before it is made. They stay apart, in whatever order they come.
    probe.close("think");
    let run = askers.start().await.unwrap();
    assert_eq!(cluster.complete(token(&run, 2), 2).await.unwrap(), Completion::Accepted);
    assert_eq!(cluster.complete(token(&run, 1), 1).await.unwrap(), Completion::Accepted);
    probe.open("think");
    assert_eq!(run.result().await.unwrap(), (1, 2));
    // After.
    let late = cluster.complete(token(&run, 1), 3).await.unwrap();
    assert_eq!(late, Completion::ExecutionEnded);
    // During.
    let run = askers.start().await.unwrap();
    bed.settle().await;
    assert_eq!(cluster.complete(token(&run, 1), 1).await.unwrap(), Completion::Accepted);
    bed.settle().await;
    assert_eq!(cluster.complete(token(&run, 2), 2).await.unwrap(), Completion::Accepted);
    assert_eq!(run.result().await.unwrap(), (1, 2));
    // Without a value.
    let run = askers.start().await.unwrap();
    let failed = cluster.fail(token(&run, 1), "nobody knows").await.unwrap();
    assert_eq!(failed, Completion::Accepted);
    let error = run.result().await.unwrap_err();
    assert!(matches!(&error, CallError::Entity(reason) if reason == "nobody knows"), "{error:?}");
    // Of nobody.
    let unknown: DeferredToken<u32> = "asker/answer/1/nobody".parse().unwrap();
    assert_eq!(cluster.complete(unknown, 1).await.unwrap(), Completion::UnknownExecution);
}

// proves: B185, B186
async fn the_first_completion_holds_through_a_crash(bed: fn() -> Bed) {
    let (bed, probe) = (bed(), Probe::default());
    let cluster = start(&bed, &probe).await;
    let run = cluster.workflow::<Asker>().start().key("k").await.unwrap();
    bed.settle().await;
    let second = token(&run, 2);
    assert_eq!(cluster.complete(second.clone(), 20).await.unwrap(), Completion::Accepted);
    // Killed once the completion is durable.
    drop((run, cluster));
    bed.settle().await;

    let cluster = start(&bed, &probe).await;
    let told = cluster.complete(second.clone(), 21).await.unwrap();
    assert_eq!(told, Completion::AlreadyCompleted);
    let failed = cluster.fail(second, "no").await.unwrap();
    assert_eq!(failed, Completion::AlreadyCompleted);
    let run = cluster.workflow::<Asker>().find("k").await.unwrap().unwrap();
    cluster.complete(token(&run, 1), 10).await.unwrap();
    assert_eq!(run.result().await.unwrap(), (10, 20));
    assert_eq!(probe.count("think"), 1);
}

// proves: B186
async fn of_many_at_once_one_holds(bed: fn() -> Bed) {
    let (bed, probe) = (bed(), Probe::default());
    let cluster = start(&bed, &probe).await;
    let run = cluster.workflow::<Asker>().start().await.unwrap();
    cluster.complete(token(&run, 2), 0).await.unwrap();
    let completions = (0..50).map(|value| {
        let (cluster, token) = (cluster.clone(), token(&run, 1));
        tokio::spawn(async move { cluster.complete(token, value).await.unwrap() })
    });
    let told = futures_util::future::join_all(completions.collect::<Vec<_>>()).await;
    let told: Vec<Completion> = told.into_iter().map(Result::unwrap).collect();
    let accepted: Vec<usize> = (0..50).filter(|at| told[*at] == Completion::Accepted).collect();
    assert_eq!(accepted.len(), 1, "{told:?}");
    let (value, _) = run.result().await.unwrap();
    assert_eq!(value as usize, accepted[0]);
}

/// A maker of a completion that does not wait for its end.
async fn a_completion_arrives_though_its_maker_is_gone(bed: fn() -> Bed) {
    let (bed, probe) = (bed(), Probe::default());
    let cluster = start(&bed, &probe).await;
    let run = cluster.workflow::<Asker>().start().await.unwrap();
    cluster.complete(token(&run, 2), 2).await.unwrap();
    bed.settle().await;
    let answer = token(&run, 1);
    let result = tokio::spawn(async move { run.result().await.unwrap() });
    let mut polls: u32 = 1;
    let (first, second) = loop {
        let mut making = Box::pin(cluster.complete(answer.clone(), polls));
        for _ in 0..polls {
            let once = poll_fn(|cx| Poll::Ready(making.as_mut().poll(cx).is_ready()));
            if once.await {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(making);
        bed.settle().await;
        // Whichever was stored has woken it; none may have come so far before it was dropped.
        if result.is_finished() {
            break result.await.unwrap();
        }
        polls += 1 + polls / 8;
    };
    // It has not been told twice.
    assert!((1..=polls).contains(&first) && second == 2);
}

backends!(
    it_may_be_completed_before_during_and_after_its_await,
    the_first_completion_holds_through_a_crash,
    of_many_at_once_one_holds,
    a_completion_arrives_though_its_maker_is_gone,
);

/// Waits for one value after a pause of a given length.
#[derive(Default)]
struct Racer;

#[workflow(name = "racer", version = 1)]
impl Racer {
    #[run]
    async fn run(&self, ctx: &Workflow) -> u32 {
        ctx.deferred("value").await.unwrap_or_default()
    }
}

async fn race(bed: Bed, tries: u32) {
    let cluster = bed.start(|builder| builder.workflow::<Racer>()).await;
    for number in 0..tries {
        let run = cluster.workflow::<Racer>().start().await.unwrap();
        let completes = tokio::spawn({
            let (cluster, token) = (cluster.clone(), run.deferred("value").token());
            async move {
                // So that it meets the execution at every point of its way to its wait.
                for _ in 0..number % 40 {
                    tokio::task::yield_now().await;
                }
                cluster.complete(token, number).await.unwrap()
            }
        });
        assert_eq!(run.result().await.unwrap(), number);
        assert_eq!(completes.await.unwrap(), Completion::Accepted);
    }
    cluster.shutdown().await.unwrap();
}

// proves: B185
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wake_that_races_a_wait_is_never_lost_in_memory() {
    watched(race(Bed::memory().in_real_time(), 1000)).await;
}

// proves: B185
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wake_that_races_a_wait_is_never_lost_on_sqlite() {
    watched(race(Bed::sqlite().in_real_time(), 1000)).await;
}
