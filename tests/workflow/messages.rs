//! What steps send and call: there once, whatever runs again.

use std::sync::{Arc, Mutex};

use cluster::prelude::*;

use crate::support::{Bed, Probe, Side, backends};

#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
struct Account {
    cents: i64,
}

#[entity]
impl Account {
    #[message(persisted)]
    fn add(&mut self, cents: i64) -> i64 {
        self.cents += cents;
        self.cents
    }

    #[message]
    fn cents(&self) -> i64 {
        self.cents
    }
}

/// The cluster that the steps call; taken away when it is to end.
type Accounts = Arc<Mutex<Option<Cluster>>>;

struct Pay {
    probe: Probe,
    accounts: Accounts,
}

#[workflow(name = "pay", version = 1)]
impl Pay {
    #[run]
    async fn run(&self) -> Result<i64, String> {
        let mut left = 0;
        for _ in 0..3 {
            left = self.transfer(10).await.map_err(|error| error.to_string())?;
        }
        Ok(left)
    }

    /// One call that is awaited and one message that is sent, both in each step.
    #[step]
    async fn transfer(&self, cents: i64) -> Result<i64, String> {
        let cluster = self.accounts.lock().unwrap().clone().expect("it runs");
        let text = |error: ClusterError| error.to_string();
        let left = cluster.get::<Account>("from").add(-cents).await.map_err(text)?;
        cluster.get::<Account>("to").add(cents).send().await.map_err(text)?;
        self.probe.note("transfer");
        Ok(left)
    }
}

/// Two steps of which one is dropped, though both have ended.
struct Either {
    probe: Probe,
    accounts: Accounts,
}

#[workflow(name = "either", version = 1)]
impl Either {
    #[run]
    async fn run(&self, ctx: &Workflow) -> String {
        let first = tokio::select! {
            biased;
            first = self.give("a".into()) => first,
            second = self.give("b".into()) => second,
        };
        let end: u32 = ctx.deferred("end").await.unwrap_or_default();
        format!("{first} {end}")
    }

    #[step]
    async fn give(&self, to: String) -> String {
        let cluster = self.accounts.lock().unwrap().clone().expect("it runs");
        cluster.get::<Account>(&*to).add(1).send().await.expect("it can be sent");
        self.probe.pass("give").await;
        to
    }
}

/// What a step has sent is there with its result, or not at all.
// proves: B174
async fn a_step_that_is_dropped_has_sent_nothing(bed: fn() -> Bed) {
    let (bed, probe, accounts) = (bed(), Probe::default(), Accounts::default());
    let start = async || {
        let (probe, given) = (probe.clone(), accounts.clone());
        let either = move || Either { probe: probe.clone(), accounts: given.clone() };
        let hosted =
            |builder: cluster::ClusterBuilder| builder.entity::<Account>().workflow_with(either);
        let cluster = bed.start(hosted).await;
        *accounts.lock().unwrap() = Some(cluster.clone());
        cluster
    };
    probe.close("give");
    let cluster = start().await;
    cluster.workflow::<Either>().start().key("k").await.unwrap();
    bed.settle().await;
    assert_eq!(probe.count("give"), 2);
    probe.open("give");
    bed.settle().await;
    *accounts.lock().unwrap() = None;
    drop(cluster);
    bed.settle().await;

    let cluster = start().await;
    let run = cluster.workflow::<Either>().find("k").await.unwrap().unwrap();
    cluster.complete(run.deferred::<u32>("end").token(), 7).await.unwrap();
    assert_eq!(run.result().await.unwrap(), "a 7");
    bed.settle().await;
    let cents = async |id: &str| cluster.get::<Account>(id).cents().await.unwrap();
    assert_eq!((cents("a").await, cents("b").await), (1, 0));
    *accounts.lock().unwrap() = None;
}

async fn start(bed: &Bed, probe: &Probe, accounts: &Accounts) -> Cluster {
    let (probe, given) = (probe.clone(), accounts.clone());
    let cluster = bed
        .start(|builder| {
            builder
                .entity::<Account>()
                .workflow_with(move || Pay { probe: probe.clone(), accounts: given.clone() })
        })
        .await;
    *accounts.lock().unwrap() = Some(cluster.clone());
    cluster
}

// proves: B173, B174
async fn what_a_step_sends_and_calls_happens_once_wherever_its_process_dies(bed: fn() -> Bed) {
    for side in [Side::Before, Side::After] {
        for commit in 1.. {
            let (bed, probe, accounts) = (bed(), Probe::default(), Accounts::default());
            bed.watch.die_at(commit, side);
            let cluster = start(&bed, &probe, &accounts).await;
            let started = tokio::spawn({
                let pays = cluster.workflow::<Pay>();
                async move { pays.start().key("k").await }
            });
            bed.settle().await;
            let died = bed.watch.is_dead();
            bed.watch.spare();
            // What it has is a hold on the cluster.
            started.abort();
            drop(started);
            *accounts.lock().unwrap() = None;
            drop(cluster);
            bed.settle().await;

            let cluster = start(&bed, &probe, &accounts).await;
            let run = cluster.workflow::<Pay>().start().key("k").await.unwrap();
            assert_eq!(run.result().await.unwrap(), -30, "{side:?} {commit}");
            bed.settle().await;
            let cents = |id: &str| cluster.get::<Account>(id).cents();
            let both = (cents("from").await.unwrap(), cents("to").await.unwrap());
            assert_eq!(both, (-30, 30), "{side:?} {commit}");
            *accounts.lock().unwrap() = None;
            if !died {
                break;
            }
        }
    }
}

backends!(
    a_step_that_is_dropped_has_sent_nothing,
    what_a_step_sends_and_calls_happens_once_wherever_its_process_dies,
);
