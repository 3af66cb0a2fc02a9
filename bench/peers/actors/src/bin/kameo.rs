//! kameo: an actor is a task with a bounded mailbox (64, its default); an ask waits for its reply.

use std::process::ExitCode;

use bench_kit::drive::{Target, closed_loop, idle, once_each};
use bench_kit::{Case, Lane, Run, lane};
use kameo::Actor;
use kameo::actor::{ActorRef, Spawn};
use kameo::message::{Context, Message};

const SYSTEM: &str = "kameo";
/// An idle actor takes about 7 KB: a million of them would not fit into smaller machines.
const IDLE: Lane = lane::IDLE_MEMORY.sized(200_000, 200_000);

#[derive(Actor)]
struct Counter(u64);

struct Add(u64);

impl Message<Add> for Counter {
    type Reply = u64;

    async fn handle(&mut self, Add(amount): Add, _: &mut Context<Self, u64>) -> u64 {
        self.0 += amount;
        self.0
    }
}

struct AddSuspended(u64);

impl Message<AddSuspended> for Counter {
    type Reply = u64;

    async fn handle(&mut self, add: AddSuspended, _: &mut Context<Self, u64>) -> u64 {
        tokio::task::yield_now().await;
        self.0 += add.0;
        self.0
    }
}

/// Asks for a plain addition.
struct Plain(ActorRef<Counter>);

impl Target for Plain {
    async fn ask(&self, _: u64) {
        self.0.ask(Add(1)).await.expect("the actor lives as long as its callers");
    }
}

/// Asks for an addition whose handler suspends once.
struct Suspended(ActorRef<Counter>);

impl Target for Suspended {
    async fn ask(&self, _: u64) {
        self.0.ask(AddSuspended(1)).await.expect("the actor lives as long as its callers");
    }
}

fn spawn() -> ActorRef<Counter> {
    Counter::spawn(Counter(0))
}

async fn asks<T: Target>(lane: Lane, target: fn(ActorRef<Counter>) -> T) -> Run {
    let targets = (0..lane.entities).map(|_| target(spawn())).collect();
    closed_loop(&lane, targets).await
}

async fn activations() -> Run {
    let (run, _actors) = once_each(0..lane::ACTIVATE.entities, |_| async {
        let actor = spawn();
        actor.ask(Add(1)).await.expect("the actor has just started");
        actor
    })
    .await;
    run
}

async fn idles() -> Run {
    let (run, _actors) = idle(IDLE.entities, |_| async {
        let actor = spawn();
        actor.wait_for_startup().await;
        actor
    })
    .await;
    run
}

fn main() -> ExitCode {
    let ask = |lane| Case::volatile(lane, SYSTEM, move |bench| bench.block_on(asks(lane, Plain)));
    let suspend = lane::ASK_SUSPEND;
    bench_kit::run(vec![
        ask(lane::ASK_1),
        ask(lane::ASK_64),
        ask(lane::ASK_HOT),
        Case::volatile(suspend, SYSTEM, move |bench| bench.block_on(asks(suspend, Suspended))),
        Case::memory(IDLE, SYSTEM, |bench| bench.block_on(idles())),
        Case::volatile(lane::ACTIVATE, SYSTEM, |bench| bench.block_on(activations())),
    ])
}
