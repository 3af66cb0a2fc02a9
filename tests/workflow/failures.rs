//! Executions that fail, and those that cannot go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cluster::Progress;
use cluster::prelude::*;

use crate::support::{Bed, Probe, backends, dead_letters};

#[derive(Default)]
struct Fragile;

#[workflow(name = "fragile", version = 1)]
impl Fragile {
    #[run]
    async fn run(&self, what: String) -> u32 {
        let number = self.one().await;
        if what == "body" {
            panic!("the body is broken");
        }
        number + self.two(what).await
    }

    #[step]
    async fn one(&self) -> u32 {
        1
    }

    #[step]
    async fn two(&self, what: String) -> u32 {
        assert_ne!(what, "step", "the step is broken");
        2
    }
}

// proves: B171
async fn a_panic_of_the_body_or_of_a_step_is_the_end(bed: fn() -> Bed) {
    let bed = bed();
    let reason = |error: ClusterError| match error {
        ClusterError::Defect { reason, .. } => reason,
        other => panic!("a defect, not {other:?}"),
    };
    let cluster = bed.start(|builder| builder.workflow::<Fragile>()).await;
    let fragile = cluster.workflow::<Fragile>();
    let body = fragile.run("body".into()).key("body").await.unwrap_err();
    assert!(reason(body).contains("the body is broken"));
    let step = fragile.run("step".into()).key("step").await.unwrap_err();
    assert!(reason(step).contains("the step is broken"));
    assert_eq!(fragile.run("none".into()).await.unwrap(), 3);
    drop((fragile, cluster));
    bed.settle().await;

    // That is their outcome.
    let cluster = bed.start(|builder| builder.workflow::<Fragile>()).await;
    assert!(dead_letters(&cluster).await.is_empty());
    let body = cluster.workflow::<Fragile>().find("body").await.unwrap().unwrap();
    assert!(reason(body.result().await.unwrap_err()).contains("the body is broken"));
}

/// A program before a change that its executions do not survive.
mod before {
    use super::*;

    pub(super) struct Order(pub(super) Probe);

    #[workflow(name = "order", version = 1)]
    impl Order {
        #[run]
        async fn run(&self, ctx: &Workflow) -> u32 {
            let price = self.price().await;
            self.charge(price).await;
            ctx.deferred::<u32>("approval").await.unwrap_or_default()
        }

        #[step]
        async fn price(&self) -> u32 {
            self.0.note("price");
            5
        }

        #[step]
        async fn charge(&self, _cents: u32) {
            self.0.note("charge");
        }
    }
}

/// After it.
mod after {
    use super::*;

    pub(super) struct Order(pub(super) Probe);

    #[workflow(name = "order", version = 1)]
    impl Order {
        #[run]
        async fn run(&self, ctx: &Workflow) -> u32 {
            let price = self.price().await;
            self.invoice(price).await;
            ctx.deferred::<u32>("approval").await.unwrap_or_default()
        }

        #[step]
        async fn price(&self) -> u32 {
            self.0.note("price again");
            5
        }

        #[step]
        async fn invoice(&self, _cents: u32) {
            self.0.note("invoice");
        }
    }
}

/// Another version of it.
mod later {
    use super::*;

    #[derive(Default)]
    pub(super) struct Order;

    #[workflow(name = "order", version = 2)]
    impl Order {
        #[run]
        async fn run(&self) -> u32 {
            0
        }
    }
}

// A start of the simple form of B206 and B208: nothing runs that the journal does not know, both
// commands are named, and nothing is lost.
async fn a_body_that_does_something_else_is_stopped(bed: fn() -> Bed) {
    let (bed, probe) = (bed(), Probe::default());
    let order = probe.clone();
    let cluster = bed.start(|b| b.workflow_with(move || before::Order(order.clone()))).await;
    cluster.workflow::<before::Order>().start().key("k").await.unwrap();
    bed.settle().await;
    assert_eq!(probe.log(), ["price", "charge"]);
    drop(cluster);
    bed.settle().await;

    let order = probe.clone();
    let cluster = bed.start(|b| b.workflow_with(move || after::Order(order.clone()))).await;
    bed.settle().await;
    let order = cluster.workflow::<after::Order>().find("k").await.unwrap().unwrap();
    let Progress::Stopped(told) = order.poll().await.unwrap() else { panic!("it is stopped") };
    let dead = dead_letters(&cluster).await;
    let error = dead[0].last_error();
    assert!(told.to_string().contains(error), "{told}");
    let both = ["NonDeterministic", "step `charge` #1 at position 1", "step `invoice` #1"];
    assert!(both.iter().all(|part| error.contains(part)), "{error}");
    assert_eq!(probe.log(), ["price", "charge"]);
    drop((dead, order, cluster));
    bed.settle().await;
    assert_eq!(bed.history().await.entries.len(), 2, "its journal is kept");
}

async fn another_version_does_not_touch_an_execution(bed: fn() -> Bed) {
    let (bed, probe) = (bed(), Probe::default());
    let order = probe.clone();
    let cluster = bed.start(|b| b.workflow_with(move || before::Order(order.clone()))).await;
    cluster.workflow::<before::Order>().start().key("k").await.unwrap();
    bed.settle().await;
    drop(cluster);
    bed.settle().await;
    let cluster = bed.start(|builder| builder.workflow::<later::Order>()).await;
    bed.settle().await;
    let dead = dead_letters(&cluster).await;
    assert!(
        dead[0].last_error().contains("version 1 of workflow `order`"),
        "{}",
        dead[0].last_error()
    );
}

/// Tried again for trouble of the cluster.
struct Stubborn(Arc<AtomicU32>);

#[workflow(name = "stubborn", version = 1)]
impl Stubborn {
    #[run]
    async fn run(&self) -> Result<u32, CallError<String>> {
        let counted = self.count().await;
        // Not a step: it differs from run to run, as trouble does.
        if self.0.fetch_add(100, Ordering::SeqCst) < 200 {
            return Err(CallError::Cluster(ClusterError::Interrupted));
        }
        Ok(counted)
    }

    #[step]
    async fn count(&self) -> u32 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }
}

// proves: B173
async fn a_body_that_is_tried_again_does_not_run_its_steps_again(bed: fn() -> Bed) {
    let (bed, count) = (bed(), Arc::new(AtomicU32::new(0)));
    let counts = count.clone();
    let cluster = bed.start(|b| b.workflow_with(move || Stubborn(counts.clone()))).await;
    let run = cluster.workflow::<Stubborn>().start().await.unwrap();
    bed.advance(Duration::from_secs(5)).await;
    assert_eq!(run.result().await.unwrap(), 1);
    assert_eq!(count.load(Ordering::SeqCst), 301);
}

/// A body that never comes to an end by itself.
struct Endless {
    probe: Probe,
}

#[workflow(name = "endless", version = 1)]
impl Endless {
    #[run]
    async fn run(&self, ctx: &Workflow) -> u32 {
        let mut rounds = 0;
        while !self.round().await {
            ctx.sleep("pause", Duration::from_secs(1)).await;
            rounds += 1;
        }
        rounds
    }

    #[step]
    async fn round(&self) -> bool {
        self.probe.note("round");
        self.probe.count("round") == 12
    }
}

/// A journal is loaded whole, so it has a limit; nothing of it is lost.
// proves: B61
async fn a_journal_that_is_too_long_is_given_up_and_goes_on_later(bed: fn() -> Bed) {
    let (bed, probe) = (bed(), Probe::default());
    let start = async |most: usize| {
        let probe = probe.clone();
        bed.start(|builder| {
            builder
                .workflow_with(move || Endless { probe: probe.clone() })
                .config(|config| config.journal_max = most)
        })
        .await
    };
    // Two of them a round: what would be one too many is once a step, once a sleep.
    for (most, rounds) in [(12, 6), (13, 7), (14, 7)] {
        let cluster = start(most).await;
        match probe.count("round") {
            0 => _ = cluster.workflow::<Endless>().start().key("k").await.unwrap(),
            _ => dead_letters(&cluster).await.remove(0).redrive().await.unwrap(),
        }
        for _ in 0..10 {
            bed.advance(Duration::from_secs(1)).await;
        }
        let letter = dead_letters(&cluster).await.remove(0);
        assert!(letter.last_error().contains("journal_max"), "{}", letter.last_error());
        assert_eq!(probe.count("round"), rounds, "{most}");
        drop((letter, cluster));
        bed.settle().await;
    }
    let cluster = start(1_000).await;
    dead_letters(&cluster).await.remove(0).redrive().await.unwrap();
    for _ in 0..20 {
        bed.advance(Duration::from_secs(1)).await;
    }
    let run = cluster.workflow::<Endless>().find("k").await.unwrap().unwrap();
    assert_eq!(run.result().await.unwrap(), 11);
}

backends!(
    a_journal_that_is_too_long_is_given_up_and_goes_on_later,
    a_panic_of_the_body_or_of_a_step_is_the_end,
    a_body_that_does_something_else_is_stopped,
    another_version_does_not_touch_an_execution,
    a_body_that_is_tried_again_does_not_run_its_steps_again,
);
