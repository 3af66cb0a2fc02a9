//! ractor: an actor is a task with an unbounded mailbox; an ask is a message with a reply port.

use std::process::ExitCode;

use bench_kit::drive::{Target, closed_loop, idle, once_each};
use bench_kit::{Case, Lane, Run, lane};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, call};

const SYSTEM: &str = "ractor";
/// An idle actor takes about 8 KB: a million of them would not fit into smaller machines.
const IDLE: Lane = lane::IDLE_MEMORY.sized(200_000, 200_000);

struct Counter;

enum Message {
    Add(u64, RpcReplyPort<u64>),
    AddSuspended(u64, RpcReplyPort<u64>),
}

impl Actor for Counter {
    type Msg = Message;
    type State = u64;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Message>, (): ()) -> Result<u64, ActorProcessingErr> {
        Ok(0)
    }

    async fn handle(
        &self,
        _: ActorRef<Message>,
        message: Message,
        value: &mut u64,
    ) -> Result<(), ActorProcessingErr> {
        let (amount, reply) = match message {
            Message::Add(amount, reply) => (amount, reply),
            Message::AddSuspended(amount, reply) => {
                tokio::task::yield_now().await;
                (amount, reply)
            }
        };
        *value += amount;
        // The caller may be gone.
        _ = reply.send(*value);
        Ok(())
    }
}

/// Asks for a plain addition.
struct Plain(ActorRef<Message>);

impl Target for Plain {
    async fn ask(&self, _: u64) {
        call!(self.0, Message::Add, 1).expect("the actor lives as long as its callers");
    }
}

/// Asks for an addition whose handler suspends once.
struct Suspended(ActorRef<Message>);

impl Target for Suspended {
    async fn ask(&self, _: u64) {
        call!(self.0, Message::AddSuspended, 1).expect("the actor lives as long as its callers");
    }
}

async fn spawn() -> ActorRef<Message> {
    let (actor, _) = Actor::spawn(None, Counter, ()).await.expect("starting does nothing");
    actor
}

async fn asks<T: Target>(lane: Lane, target: fn(ActorRef<Message>) -> T) -> Run {
    let mut actors = Vec::new();
    for _ in 0..lane.entities {
        actors.push(spawn().await);
    }
    let run = closed_loop(&lane, actors.iter().cloned().map(target).collect()).await;
    stop(actors);
    run
}

async fn activations() -> Run {
    let (run, actors) = once_each(0..lane::ACTIVATE.entities, |_| async {
        let actor = spawn().await;
        call!(actor, Message::Add, 1).expect("the actor has just started");
        actor
    })
    .await;
    stop(actors);
    run
}

async fn idles() -> Run {
    let (run, actors) = idle(IDLE.entities, |_| spawn()).await;
    stop(actors);
    run
}

fn stop(actors: Vec<ActorRef<Message>>) {
    for actor in actors {
        actor.stop(None);
    }
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
