//! Cancels, resets, redrives, holds and traces of a process that dies for real, by SIGKILL, at the
//! moment that decides; then a new start on the same database.

use cluster::prelude::*;
use cluster::storage::Missing;
use cluster::{Cancelled, DeadLetter, Hold, TraceContext};
use futures_util::{Stream, StreamExt};
use tokio::spawn;

use crate::entities::{Counter, CounterAdd, Desk, DeskFile, start};
use crate::support::{Bed, Probe, Victim, backends, is_waiting, say, soon};

/// What a process says where it is killed.
const HERE: &str = "here";

/// What a process does that is to die.
pub(crate) async fn die(scenario: &str, bed: &Bed) {
    let probe = Probe::default();
    let _cluster = match scenario {
        "cancelled" | "cancel not stored" => cancel(scenario, bed, &probe).await,
        "a cancel waits" => cancel_what_does_not_stop(bed, &probe).await,
        "reset" | "reset not stored" => reset(scenario, bed, &probe).await,
        "dead" | "redriven" | "in the redrive" => redrive(scenario, bed, &probe).await,
        "accepted" | "held" => hold(scenario, bed, &probe).await,
        "traced" => send_traced(bed).await,
        other => panic!("no such scenario: {other}"),
    };
    say(HERE);
    std::future::pending().await
}

/// Runs a process up to where it is killed; what it has said.
fn kill_in(scenario: &str, bed: &Bed) -> Vec<String> {
    let mut victim = Victim::start(scenario, bed);
    let mut said = Vec::new();
    loop {
        match victim.says().expect("it goes on") {
            here if here == HERE => break,
            other => said.push(other),
        }
    }
    victim.kill();
    said
}

async fn all<T>(list: impl Stream<Item = Result<T, cluster::Error>>) -> Vec<T> {
    list.map(Result::unwrap).collect().await
}

async fn letters(cluster: &Cluster) -> Vec<DeadLetter> {
    all(cluster.dead_letters().list()).await
}

async fn holds(cluster: &Cluster) -> Vec<Hold> {
    all(cluster.holds().list()).await
}

/// Does this up to its commit: which is stored and nobody hears of it, or does not reach the
/// storage.
async fn up_to_the_commit<F>(bed: &Bed, is_stored: bool, act: F)
where
    F: Future<Output: Send> + Send + 'static,
{
    match is_stored {
        true => bed.door.hold_answers(),
        false => bed.door.hold_commits(),
    }
    drop(spawn(act));
    match is_stored {
        true => bed.door.answers_held(1).await,
        false => bed.door.commits_held(1).await,
    }
}

async fn cancel(scenario: &str, bed: &Bed, probe: &Probe) -> Cluster {
    let cluster = start(bed, probe).await;
    probe.close("paper");
    let receipt = cluster.get::<Desk>("d").file("paper".into()).send().await.unwrap();
    say(receipt.id());
    probe.wait_for("paper", 1).await;
    up_to_the_commit(bed, scenario == "cancelled", async move { receipt.cancel().await }).await;
    cluster
}

// proves: B84, B85
async fn a_stored_cancel_of_a_running_handler_holds_and_another_was_none(bed: Bed) {
    for scenario in ["cancelled", "cancel not stored"] {
        let bed = bed.another().await;
        let id = kill_in(scenario, &bed)[0].parse().unwrap();
        let probe = Probe::default();
        soon(async {
            let cluster = start(&bed, &probe).await;
            let outcome = cluster.receipt::<DeskFile>(id).outcome().await;
            let papers = cluster.get::<Desk>("d").papers().await.unwrap();
            if scenario == "cancelled" {
                assert!(matches!(outcome, Err(ClusterError::Interrupted)), "{outcome:?}");
                assert!(papers.is_empty() && probe.log().is_empty(), "{papers:?}");
            } else {
                assert_eq!((outcome.unwrap(), papers), (1, vec!["paper".to_owned()]));
            }
        })
        .await;
    }
}

/// A desk whose handler ends by itself only.
#[derive(Entity)]
struct Stone {
    #[state]
    turns: u32,
    probe: Probe,
}

#[entity]
impl Stone {
    #[message(persisted, uninterruptible)]
    async fn turn(&mut self) -> u32 {
        self.probe.pass("turn").await;
        self.turns += 1;
        self.turns
    }
}

async fn start_stone(bed: &Bed, probe: &Probe) -> Cluster {
    let probe = probe.clone();
    bed.start(|builder| {
        builder.entity_with::<Stone>(move |_| Stone { turns: 0, probe: probe.clone() })
    })
    .await
}

async fn cancel_what_does_not_stop(bed: &Bed, probe: &Probe) -> Cluster {
    // What an earlier process has left runs by itself.
    probe.close("turn");
    let cluster = start_stone(bed, probe).await;
    let receipt = cluster.get::<Stone>("s").turn().key("k").send().await.unwrap();
    probe.wait_for("turn", 1).await;
    let mut waits = Box::pin(async move { receipt.cancel().await });
    assert!(is_waiting(&mut waits).await);
    drop(waits);
    cluster
}

/// Whoever has heard nothing of a cancel knows nothing: the request has one end all the same.
// proves: B85, B88
async fn a_cancel_that_waits_for_a_handler_dies_with_it(bed: Bed) {
    for _ in 0..2 {
        kill_in("a cancel waits", &bed);
    }
    let probe = Probe::default();
    soon(async {
        let cluster = start_stone(&bed, &probe).await;
        let stone = cluster.get::<Stone>("s");
        assert_eq!(stone.turn().key("k").await.unwrap(), 1);
        let ended = stone.turn().key("k").send().await.unwrap();
        assert_eq!(ended.cancel().await.unwrap(), Cancelled::Completed);
        assert_eq!(probe.count("turn"), 1);
    })
    .await;
}

async fn reset(scenario: &str, bed: &Bed, probe: &Probe) -> Cluster {
    let cluster = start(bed, probe).await;
    let counter = cluster.get::<Counter>("c");
    let receipt = counter.add(5).key("k").send().await.unwrap();
    receipt.outcome().await.unwrap();
    up_to_the_commit(bed, scenario == "reset", async move { receipt.reset().await }).await;
    cluster
}

// proves: B43
async fn a_stored_reset_runs_the_request_once_more_in_the_next_process(bed: Bed) {
    for (scenario, value) in [("reset", 10), ("reset not stored", 5)] {
        let bed = bed.another().await;
        kill_in(scenario, &bed);
        soon(async {
            let cluster = start(&bed, &Probe::default()).await;
            // By itself: nobody has asked for it in this process.
            cluster.caught_up().await.unwrap();
            let counter = cluster.get::<Counter>("c");
            assert_eq!(counter.value().await.unwrap(), value, "{scenario}");
            assert_eq!(counter.add(5).key("k").await.unwrap(), value);
            assert_eq!(counter.value().await.unwrap(), value);
        })
        .await;
    }
}

async fn redrive(scenario: &str, bed: &Bed, probe: &Probe) -> Cluster {
    probe.panic_at("paper", if scenario == "dead" { 3 } else { 0 });
    probe.close("paper!");
    let cluster = start(bed, probe).await;
    match scenario {
        "dead" => {
            let receipt = cluster.get::<Desk>("d").file("paper".into()).send().await.unwrap();
            say(receipt.id());
            receipt.outcome().await.unwrap_err();
        }
        "redriven" => {
            let letter = letters(&cluster).await.remove(0);
            let (one, other) = (letter.clone(), letter);
            let twice = async move { tokio::join!(one.redrive(), other.redrive()) };
            up_to_the_commit(bed, true, twice).await;
        }
        _ => probe.wait_for("paper!", 1).await,
    }
    cluster
}

// proves: B93
async fn a_redriven_letter_runs_once_though_its_process_is_killed_again_and_again(bed: Bed) {
    let id = kill_in("dead", &bed)[0].parse().unwrap();
    for scenario in ["redriven", "in the redrive", "in the redrive"] {
        kill_in(scenario, &bed);
    }
    let probe = Probe::default();
    soon(async {
        let cluster = start(&bed, &probe).await;
        assert_eq!(cluster.receipt::<DeskFile>(id).outcome().await.unwrap(), 1);
        cluster.caught_up().await.unwrap();
        assert_eq!(probe.count("paper"), 1);
        assert_eq!(cluster.get::<Desk>("d").papers().await.unwrap(), ["paper"]);
        assert!(letters(&cluster).await.is_empty());
    })
    .await;
}

async fn hold(scenario: &str, bed: &Bed, probe: &Probe) -> Cluster {
    if scenario == "accepted" {
        let cluster = start(bed, probe).await;
        let counter = cluster.get::<Counter>("c");
        up_to_the_commit(bed, true, async move { counter.add(1).send().await }).await;
        return cluster;
    }
    let cluster = bed.start(|builder| builder.entity::<Passage>()).await;
    let held = loop {
        match holds(&cluster).await.pop() {
            Some(held) => break held,
            None => tokio::task::yield_now().await,
        }
    };
    assert_eq!((held.message(), held.missing()), ("add", &Missing::EntityType));
    say(held.id());
    say(held.held_at().unix_ms());
    cluster
}

// proves: B95
async fn a_held_request_outlives_killed_processes_until_one_can_run_it(bed: Bed) {
    kill_in("accepted", &bed);
    let said = kill_in("held", &bed);
    assert_eq!(kill_in("held", &bed), said, "the same one since the same time");
    soon(async {
        let cluster = start(&bed, &Probe::default()).await;
        let receipt = cluster.receipt::<CounterAdd>(said[0].parse().unwrap());
        assert_eq!(receipt.outcome().await.unwrap(), 1);
        assert_eq!(cluster.get::<Counter>("c").value().await.unwrap(), 1);
        assert!(holds(&cluster).await.is_empty());
    })
    .await;
}

/// Says where its requests stand in their traces.
#[derive(Entity, Default)]
struct Passage;

#[entity]
impl Passage {
    #[message(persisted)]
    fn position(&self, ctx: &Context) -> Option<(String, String)> {
        ctx.trace().map(headers)
    }
}

fn headers(position: &TraceContext) -> (String, String) {
    (position.traceparent(), position.tracestate().to_owned())
}

fn caller() -> TraceContext {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    TraceContext::from_headers(parent, "vendor=1").unwrap()
}

async fn send_traced(bed: &Bed) -> Cluster {
    let cluster = bed.start(|builder| builder.entity::<Passage>()).await;
    let passage = cluster.get::<Passage>("p");
    let sent = async move { passage.position().key("k").trace(caller()).send().await };
    up_to_the_commit(bed, true, sent).await;
    cluster
}

// proves: B229
async fn a_request_continues_the_trace_of_a_caller_whose_process_was_killed(bed: Bed) {
    kill_in("traced", &bed);
    soon(async {
        let cluster = bed.start(|builder| builder.entity::<Passage>()).await;
        let position = cluster.get::<Passage>("p").position().key("k").await.unwrap();
        assert_eq!(position, Some(headers(&caller())));
    })
    .await;
}

backends!(on disk:
    a_stored_cancel_of_a_running_handler_holds_and_another_was_none,
    a_cancel_that_waits_for_a_handler_dies_with_it,
    a_stored_reset_runs_the_request_once_more_in_the_next_process,
    a_redriven_letter_runs_once_though_its_process_is_killed_again_and_again,
    a_held_request_outlives_killed_processes_until_one_can_run_it,
    a_request_continues_the_trace_of_a_caller_whose_process_was_killed,
);
