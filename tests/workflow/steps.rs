//! Steps as plain code, and the keys under which they run.

use std::collections::BTreeSet;

use cluster::prelude::*;
use cluster::step_key;
use cluster::testing::TestCluster;

use crate::support::{Bed, Probe, backends};

#[derive(Default)]
struct Keys;

#[workflow(name = "keys", version = 1)]
impl Keys {
    #[run]
    async fn run(&self) -> Vec<String> {
        assert!(step_key().is_none(), "the body is no step");
        let mut keys = vec![self.key().await, self.key().await];
        keys.push(self.other().await);
        keys
    }

    #[step]
    async fn key(&self) -> String {
        step_key().map_or_else(|| "none".to_owned(), |key| key.to_string())
    }

    #[step(name = "the-other")]
    async fn other(&self) -> String {
        // Within a step all is plain code: no step of its own.
        self.key().await
    }
}

// proves: B174
async fn every_step_has_a_key_of_its_own(bed: fn() -> Bed) {
    let bed = bed();
    let cluster = bed.start(|builder| builder.workflow::<Keys>()).await;
    let keys = cluster.workflow::<Keys>();
    let mut all = BTreeSet::new();
    for _ in 0..3 {
        let three = keys.run().await.unwrap();
        assert!(three[0].ends_with("/key#1") && three[1].ends_with("/key#2"), "{three:?}");
        assert!(three[2].ends_with("/the-other#1"), "{three:?}");
        all.extend(three);
    }
    assert_eq!(all.len(), 9);
}

struct Slow {
    probe: Probe,
}

#[workflow(name = "slow", version = 1)]
impl Slow {
    #[run]
    async fn run(&self) -> String {
        self.work().await
    }

    #[step]
    async fn work(&self) -> String {
        let key = step_key().map(|key| key.to_string()).unwrap_or_default();
        self.probe.note(key.clone());
        self.probe.pass("work").await;
        key
    }
}

// proves: B174
async fn an_interrupted_step_runs_again_under_its_key(bed: fn() -> Bed) {
    let (bed, probe) = (bed(), Probe::default());
    probe.close("work");
    for round in 0..4 {
        let slow = probe.clone();
        let cluster = bed.start(|b| b.workflow_with(move || Slow { probe: slow.clone() })).await;
        let run = cluster.workflow::<Slow>().start().key("k").await.unwrap();
        bed.settle().await;
        assert_eq!(probe.count("work"), round + 1);
        if round == 3 {
            probe.open("work");
            let key = run.result().await.unwrap();
            assert_eq!(probe.count(&key), 4, "{:?}", probe.log());
        }
        drop((run, cluster));
        bed.settle().await;
    }
}

backends!(every_step_has_a_key_of_its_own, an_interrupted_step_runs_again_under_its_key);

#[tokio::test]
async fn outside_of_an_execution_a_step_is_its_method() {
    assert_eq!(Keys.key().await, "none");
    assert_eq!(Keys.other().await, "none");
    // Also while executions run in the same process.
    let cluster = TestCluster::new().with(|builder| builder.workflow::<Keys>()).start().await;
    let (inside, outside) = tokio::join!(cluster.workflow::<Keys>().run(), Keys.key());
    assert_eq!((inside.unwrap().len(), outside.as_str()), (3, "none"));
}
