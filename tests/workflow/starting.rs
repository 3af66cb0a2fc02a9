//! How executions begin, and how their results are known.

use cluster::prelude::*;
use cluster::{ExecutionHandle, Progress};

use crate::support::{Bed, Probe, backends};

struct Sum {
    probe: Probe,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{number} is too large")]
struct TooLarge {
    number: u32,
}

#[workflow(name = "sum", version = 1)]
impl Sum {
    #[run]
    async fn sum(&self, a: u32, b: u32) -> Result<u32, TooLarge> {
        self.probe.note("body");
        self.add(a, b).await
    }

    #[step]
    async fn add(&self, a: u32, b: u32) -> Result<u32, TooLarge> {
        self.probe.pass("add").await;
        if a > 100 {
            return Err(TooLarge { number: a });
        }
        Ok(a + b)
    }
}

async fn start(bed: &Bed, probe: &Probe) -> Cluster {
    let probe = probe.clone();
    bed.start(|builder| builder.workflow_with::<Sum>(move || Sum { probe: probe.clone() })).await
}

// proves: B168
async fn the_same_key_is_the_same_execution(bed: fn() -> Bed) {
    let (bed, probe) = (bed(), Probe::default());
    let cluster = start(&bed, &probe).await;
    let sums = cluster.workflow::<Sum>();
    let starts = (0..100).map(|_| {
        let sums = sums.clone();
        tokio::spawn(async move {
            let sum = sums.start(1, 2).key("k").await.unwrap();
            (sum.id().clone(), sum.result().await.unwrap())
        })
    });
    let ended = futures_util::future::join_all(starts.collect::<Vec<_>>()).await;
    for ended in ended {
        let (id, sum) = ended.unwrap();
        assert_eq!((id.to_string().as_str(), sum), ("sum/k", 3));
    }
    assert_eq!((probe.count("body"), probe.count("add")), (1, 1));
    let other = sums.start(1, 3).key("k").await;
    assert!(matches!(other, Err(ClusterError::KeyConflict { .. })), "{other:?}");

    let (one, another) = (sums.start(1, 2).await.unwrap(), sums.start(1, 2).await.unwrap());
    assert_ne!(one.id(), another.id());
    assert_eq!((one.result().await.unwrap(), another.result().await.unwrap()), (3, 3));
    assert_eq!(probe.count("body"), 3);
}

// proves: B169
async fn a_start_is_durable_and_its_result_is_there_before_and_after_the_end(bed: fn() -> Bed) {
    let (bed, probe) = (bed(), Probe::default());
    probe.close("add");
    let cluster = start(&bed, &probe).await;
    let id = cluster.workflow::<Sum>().start(1, 2).key("k").await.unwrap().id().clone();
    // Killed at once: it goes on by itself.
    drop(cluster);
    bed.settle().await;

    let cluster = start(&bed, &probe).await;
    let find = |cluster: &Cluster| {
        let sums = cluster.workflow::<Sum>();
        async move { sums.find("k").await.unwrap() }
    };
    let sum: ExecutionHandle<Sum> = find(&cluster).await.expect("it is stored");
    assert_eq!(*sum.id(), id);
    let before = tokio::spawn({
        let sum = sum.clone();
        async move { sum.result().await }
    });
    bed.settle().await;
    // Whoever waits reads nothing.
    let calls = bed.watch.all_calls();
    bed.advance(Duration::from_millis(900)).await;
    assert_eq!(bed.watch.all_calls(), calls);
    assert!(matches!(sum.poll().await.unwrap(), Progress::Running));
    probe.open("add");
    assert_eq!(before.await.unwrap().unwrap(), 3);
    assert_eq!(sum.result().await.unwrap(), 3);
    assert!(matches!(sum.poll().await.unwrap(), Progress::Finished(Ok(3))));
    drop((sum, cluster));
    bed.settle().await;

    let cluster = start(&bed, &probe).await;
    assert_eq!(find(&cluster).await.expect("it is kept").result().await.unwrap(), 3);
    assert!(cluster.workflow::<Sum>().find("other").await.unwrap().is_none());
    // Both in one.
    let sums = cluster.workflow::<Sum>();
    assert_eq!(sums.run(3, 4).key("l").await.unwrap(), 7);
    let large = sums.run(101, 1).await;
    assert!(
        matches!(large, Err(CallError::Entity(TooLarge { number: 101 }))),
        "the workflow's own error: {large:?}"
    );
}

// proves: B168
async fn a_handler_starts_an_execution_with_its_commit(bed: fn() -> Bed) {
    let (bed, probe) = (bed(), Probe::default());
    let for_sums = probe.clone();
    let cluster = bed
        .start(|builder| {
            builder.entity::<Desk>().workflow_with::<Sum>(move || Sum { probe: for_sums.clone() })
        })
        .await;
    let desk = cluster.get::<Desk>("d");
    assert!(desk.order("refused".into()).await.is_err());
    desk.order("taken".into()).await.unwrap();
    let sums = cluster.workflow::<Sum>();
    let taken = sums.find("taken").await.unwrap().expect("it was started");
    assert_eq!(taken.result().await.unwrap(), 3);
    assert!(sums.find("refused").await.unwrap().is_none());
}

#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
struct Desk;

#[entity]
impl Desk {
    #[message(persisted)]
    async fn order(&mut self, ctx: &Context, key: String) -> Result<(), CallError<String>> {
        ctx.workflow::<Sum>().start(1, 2).key(key.clone()).await?;
        if key == "refused" { Err(CallError::Entity(key)) } else { Ok(()) }
    }
}

backends!(
    the_same_key_is_the_same_execution,
    a_start_is_durable_and_its_result_is_there_before_and_after_the_end,
    a_handler_starts_an_execution_with_its_commit,
);
