//! A process that dies at every commit of an execution in turn.

use std::collections::BTreeMap;

use cluster::prelude::*;
use cluster::storage::JournalKind;
use cluster::{Completion, step_key};

use crate::support::{Bed, Probe, Side, backends};

/// Everything that an execution can wait for.
struct Trip {
    probe: Probe,
}

#[workflow(name = "trip", version = 1)]
impl Trip {
    #[run]
    async fn run(&self, ctx: &Workflow, to: String) -> Result<String, String> {
        let (hotel, flight) = self.book_both(&to).await;
        ctx.sleep("cooling-off", Duration::from_secs(10)).await;
        let approval = ctx.deferred::<u32>("approval");
        self.ask(approval.token().to_string()).await;
        let by = approval.await.map_err(|failed| failed.reason)?;
        let mut total = 0;
        for _ in 0..2 {
            total += self.pay(50).await;
        }
        Ok(format!("{hotel}, {flight}, {total} by {by}"))
    }

    /// Steps are recorded in helpers and joins, too.
    async fn book_both(&self, to: &str) -> (String, String) {
        let hotel = self.book("hotel".into(), to.into());
        let flight = self.book("flight".into(), to.into());
        tokio::join!(hotel, flight)
    }

    #[step]
    async fn book(&self, what: String, to: String) -> String {
        self.ran("book").await;
        format!("{what} to {to}")
    }

    #[step]
    async fn ask(&self, token: String) {
        self.ran("ask").await;
        assert_eq!(token, "trip/approval/1/t");
    }

    #[step(name = "payment")]
    async fn pay(&self, cents: u32) -> u32 {
        self.ran("payment").await;
        cents
    }

    async fn ran(&self, name: &str) {
        let key = step_key().expect("asked in a step");
        let step = key.as_str().rsplit_once('/').expect("its execution stands before").1;
        assert!(step.starts_with(name), "{key}");
        self.probe.note(step);
        tokio::task::yield_now().await;
    }
}

const RESULT: &str = "hotel to Rome, flight to Rome, 100 by 7";

/// Drives the execution of key `t` as far as it comes in this process; its result, if it ended.
async fn drive(bed: &Bed, probe: &Probe) -> Option<Result<String, CallError<String>>> {
    let probe = probe.clone();
    let trip = move || Trip { probe: probe.clone() };
    let cluster = bed.start(|builder| builder.workflow_with::<Trip>(trip)).await;
    let trips = cluster.workflow::<Trip>();
    let driven = tokio::spawn({
        let cluster = cluster.clone();
        async move {
            let trip = trips.start("Rome".into()).key("t").await.unwrap();
            let token = trip.deferred::<u32>("approval").token();
            let completed = cluster.complete(token, 7).await.unwrap();
            assert_ne!(completed, Completion::UnknownExecution);
            trip.result().await
        }
    });
    for _ in 0..12 {
        bed.advance(Duration::from_secs(1)).await;
        if driven.is_finished() {
            return Some(driven.await.unwrap());
        }
    }
    assert!(bed.watch.is_dead(), "it goes on for as long as it lives");
    driven.abort();
    drop(cluster);
    bed.settle().await;
    None
}

fn counts(probe: &Probe) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for step in probe.log() {
        *counts.entry(step).or_default() += 1;
    }
    counts
}

// proves: B173, B174, B176
async fn a_step_that_was_journaled_never_runs_again_wherever_its_process_dies(bed: fn() -> Bed) {
    let mut deaths = 0;
    for side in [Side::Before, Side::After] {
        for commit in 1.. {
            let (bed, probe) = (bed(), Probe::default());
            bed.watch.die_at(commit, side);
            let result = drive(&bed, &probe).await;
            if let Some(result) = result {
                assert_eq!(result.unwrap(), RESULT);
                break;
            }
            deaths += 1;
            let before = counts(&probe);
            let history = bed.history().await;
            let result = drive(&bed, &probe).await.expect("it lives");
            assert_eq!(result.unwrap(), RESULT, "{side:?} {commit}");
            let after = counts(&probe);
            let journaled = history.entries.iter();
            for entry in journaled.filter(|entry| entry.kind == JournalKind::StepEnded) {
                let step = format!("{}#{}", entry.name, entry.occurrence);
                assert_eq!(after[&step], before[&step], "{step}, {side:?} {commit}");
                assert_eq!(after[&step], 1, "{step}, {side:?} {commit}");
            }
            // What was interrupted has run again, under the same key: there is no other.
            let steps: Vec<&str> = after.keys().map(String::as_str).collect();
            let all = ["ask#1", "book#1", "book#2", "payment#1", "payment#2"];
            assert_eq!(steps, all, "{side:?} {commit}");
            assert!(after.values().all(|runs| *runs <= 2), "{after:?}");
        }
    }
    assert!(deaths >= 10, "{deaths} deaths");
}

backends!(a_step_that_was_journaled_never_runs_again_wherever_its_process_dies);
