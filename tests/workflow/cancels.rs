//! Executions that are cancelled go no further, and stay so.

use cluster::Cancelled;
use cluster::prelude::*;
use cluster::{Completion, Progress};

use crate::support::{Bed, Probe, backends};

const HOUR: Duration = Duration::from_secs(3_600);

struct Errand {
    probe: Probe,
}

#[workflow(name = "errand", version = 1)]
impl Errand {
    #[run]
    async fn run(&self, ctx: &Workflow, waits_for: String) -> String {
        self.go("out".into()).await;
        match &*waits_for {
            "time" => ctx.sleep("rest", HOUR).await,
            "step" => self.go("held".into()).await,
            "value" => _ = ctx.deferred::<u32>("word").await,
            _ => {}
        }
        self.go("back".into()).await;
        "done".to_owned()
    }

    #[step]
    async fn go(&self, whereto: String) {
        self.probe.pass(whereto).await;
    }
}

async fn start(bed: &Bed, probe: &Probe) -> Cluster {
    let probe = probe.clone();
    bed.start(|builder| builder.workflow_with(move || Errand { probe: probe.clone() })).await
}

// proves: B83, B84, B85
async fn one_that_is_cancelled_goes_no_further(bed: fn() -> Bed) {
    for waits_for in ["time", "step", "value"] {
        let (bed, probe) = (bed(), Probe::default());
        probe.close("held");
        let cluster = start(&bed, &probe).await;
        let errands = cluster.workflow::<Errand>();
        let run = errands.start(waits_for.into()).key("k").await.unwrap();
        bed.settle().await;
        assert_eq!(probe.count("out"), 1);
        let result = tokio::spawn({
            let run = run.clone();
            async move { run.result().await }
        });
        bed.settle().await;
        assert_eq!(run.cancel().await.unwrap(), Cancelled::Interrupted);
        let result = result.await.unwrap();
        assert!(matches!(result, Err(ClusterError::Interrupted)), "{result:?}");
        let word = run.deferred::<u32>("word").token();
        assert_eq!(cluster.complete(word, 1).await.unwrap(), Completion::ExecutionEnded);
        probe.open("held");
        bed.advance(2 * HOUR).await;
        drop((run, errands, cluster));
        bed.settle().await;

        let cluster = start(&bed, &probe).await;
        bed.advance(2 * HOUR).await;
        let run = cluster.workflow::<Errand>().start(waits_for.into()).key("k").await.unwrap();
        let progress = run.poll().await.unwrap();
        assert!(matches!(progress, Progress::Finished(Err(ClusterError::Interrupted))));
        assert_eq!(run.cancel().await.unwrap(), Cancelled::Interrupted, "again");
        assert_eq!((probe.count("out"), probe.count("back")), (1, 0), "{waits_for}");
    }
}

/// Whichever comes first, it has one end.
// proves: B83, B84
async fn a_cancel_races_with_the_end(bed: fn() -> Bed) {
    let (bed, probe) = (bed(), Probe::default());
    let cluster = start(&bed, &probe).await;
    let errands = cluster.workflow::<Errand>();
    let mut ends = Vec::new();
    for n in 0..100 {
        let (errands, cluster) = (errands.clone(), cluster.clone());
        ends.push(tokio::spawn(async move {
            let run = errands.start("value".into()).key(format!("k{n}")).await.unwrap();
            let word = run.deferred::<u32>("word").token();
            let completes = tokio::spawn(async move { cluster.complete(word, 1).await.unwrap() });
            for _ in 0..n % 13 {
                tokio::task::yield_now().await;
            }
            let cancelled = run.cancel().await.unwrap();
            completes.await.unwrap();
            match (cancelled, run.result().await) {
                (Cancelled::Completed, Ok(_)) => true,
                (Cancelled::Interrupted, Err(ClusterError::Interrupted)) => false,
                other => panic!("{other:?}"),
            }
        }));
    }
    let mut completed = Vec::new();
    for end in ends {
        completed.push(end.await.unwrap());
    }
    drop((errands, cluster));
    bed.settle().await;
    let ran = probe.log();
    let cluster = start(&bed, &probe).await;
    bed.advance(HOUR).await;
    for (n, completed) in completed.into_iter().enumerate() {
        let run = cluster.workflow::<Errand>().find(format!("k{n}")).await.unwrap().unwrap();
        assert_eq!(run.result().await.is_ok(), completed);
    }
    assert_eq!(probe.log(), ran, "nothing runs again");
}

backends!(one_that_is_cancelled_goes_no_further, a_cancel_races_with_the_end);
