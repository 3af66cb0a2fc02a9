//! How long callers wait, and what becomes of handlers whose callers do not.

use std::pin::Pin;

use cluster::prelude::*;
use cluster::testing::TestCluster;
use cluster::time::Clock;

use crate::stage::Stage;
use crate::support::{poll_once, soon, until};

#[derive(Entity)]
#[entity(concurrency = 100)]
struct Sleeper {
    stage: Stage,
}

#[entity]
impl Sleeper {
    #[message]
    async fn sleep(&self) {
        let _end = self.stage.note_on_drop("slept");
        self.stage.pause().await;
    }

    #[message(timeout = "10s")]
    async fn nap(&mut self) {
        self.stage.pause().await;
    }

    #[message(persisted)]
    async fn rest(&self) {
        self.stage.pause().await;
        self.stage.note("rested");
    }

    #[message]
    async fn doze(&mut self, of: String) {
        let _end = self.stage.note_on_drop("dozed");
        self.stage.pause().await;
        self.stage.note(of);
    }

    #[message(uninterruptible)]
    async fn dream(&mut self, of: String) {
        let _end = self.stage.note_on_drop("dreamt");
        self.stage.pause().await;
        self.stage.note(of);
    }
}

fn sleeper(stage: &Stage) -> impl Fn(&EntityId) -> Sleeper + Send + Sync + use<> {
    let stage = stage.clone();
    move |_| Sleeper { stage: stage.clone() }
}

async fn virtually(stage: &Stage) -> TestCluster {
    TestCluster::new().entity_with::<Sleeper>(sleeper(stage)).start().await
}

fn is_timeout<T: std::fmt::Debug>(ended: &Result<T, ClusterError>, limit: Duration) -> bool {
    matches!(ended, Err(ClusterError::Timeout { after, .. }) if *after == limit)
}

type Waiting = Pin<Box<dyn Future<Output = Result<(), ClusterError>>>>;

// proves: B14
#[tokio::test]
async fn a_call_ends_at_its_own_limit_else_its_messages_else_the_default() {
    let stage = Stage::default();
    let cluster = virtually(&stage).await;
    let second = Duration::from_secs(1);
    let at = |id: &str| cluster.get::<Sleeper>(id);
    let cases: [(u32, Waiting); 6] = [
        (30, Box::pin(at("a").sleep().into_future())),
        (10, Box::pin(at("b").nap().into_future())),
        (30, Box::pin(at("c").rest().into_future())),
        (2, Box::pin(at("d").sleep().timeout(2 * second).into_future())),
        (90, Box::pin(at("e").nap().timeout(90 * second).into_future())),
        (1, Box::pin(at("f").rest().timeout(second).into_future())),
    ];
    for (limit, mut call) in cases {
        let limit = second * limit;
        assert!(poll_once(&mut call).await.is_pending());
        cluster.advance(limit - Duration::from_millis(1)).await;
        assert!(poll_once(&mut call).await.is_pending(), "ended before {limit:?}");
        cluster.advance(Duration::from_millis(1)).await;
        let ended = soon(call).await;
        assert!(is_timeout(&ended, limit), "not after {limit:?}: {ended:?}");
    }
}

/// Calls others while its own last change is not durable yet.
#[derive(Entity)]
struct Caller {
    #[state]
    calls: u32,
}

#[entity]
impl Caller {
    #[message]
    fn change(&mut self) {
        self.calls += 1;
    }

    #[message]
    async fn call(&self, ctx: &Context) -> Result<(), CallError<String>> {
        Ok(ctx.get::<Sleeper>("s").nap().timeout(Duration::from_secs(3)).await?)
    }

    #[message]
    async fn send(&self, ctx: &Context) -> Result<(), CallError<String>> {
        Ok(ctx.get::<Sleeper>("s").nap().timeout(Duration::from_secs(3)).send().await?)
    }
}

// proves: B14
#[tokio::test]
async fn a_call_held_up_by_the_storage_ends_at_its_limit_too() {
    let stage = Stage::default();
    let cluster = TestCluster::new()
        .entity_with::<Sleeper>(sleeper(&stage))
        .entity_with::<Caller>(|_| Caller { calls: 0 })
        .start()
        .await;
    let limit = Duration::from_secs(3);
    let caller = cluster.get::<Caller>("c");
    caller.change().await.unwrap();
    cluster.storage().hang();
    // A persisted call that is never accepted.
    let mut rest = cluster.get::<Sleeper>("s").rest().timeout(limit).into_future();
    assert!(poll_once(&mut rest).await.is_pending());
    until(|| cluster.storage().counts().hung == 1).await;
    cluster.advance(limit).await;
    let ended = soon(rest).await;
    assert!(is_timeout(&ended, limit), "{ended:?}");

    // Calls of a handler, that may not leave before what it has read is durable.
    let mut change = caller.change().into_future();
    assert!(poll_once(&mut change).await.is_pending());
    let mut call = caller.call().into_future();
    let mut send = caller.send().into_future();
    assert!(poll_once(&mut call).await.is_pending());
    assert!(poll_once(&mut send).await.is_pending());
    cluster.advance(limit).await;
    cluster.heal().await;
    for ended in [soon(call).await, soon(send).await] {
        let Err(CallError::Cluster(ClusterError::Timeout { address, after, .. })) = ended else {
            panic!("{ended:?}")
        };
        assert_eq!((address.entity_type(), after), ("Sleeper", limit));
    }
    soon(change).await.unwrap();
}

// proves: B27
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_or_timed_out_caller_cancels_its_handler_at_once() {
    let stage = Stage::default();
    let cluster = Cluster::builder().entity_with::<Sleeper>(sleeper(&stage)).start().await.unwrap();
    let sleeper = cluster.get::<Sleeper>("s");
    let clock = Clock::system();
    let mut took = Vec::new();
    for round in 0..20 {
        let mut call = sleeper.sleep().timeout(Duration::from_millis(20)).into_future();
        assert!(poll_once(&mut call).await.is_pending());
        stage.arrived(1).await;
        if round % 2 == 0 {
            drop(call);
        } else {
            soon(call).await.unwrap_err();
        }
        let gone = clock.now();
        stage.noted(round + 1).await;
        took.push(clock.now() - gone);
    }
    // One or the other may be held up by whatever else the machine does.
    took.sort();
    assert!(took[took.len() / 2] < Duration::from_millis(100), "{took:?}");
    assert!(stage.notes().iter().all(|note| note == "slept"));
}

// proves: B27
#[tokio::test]
async fn a_queued_call_whose_caller_is_gone_never_starts() {
    let stage = Stage::default();
    let cluster = virtually(&stage).await;
    let sleeper = cluster.get::<Sleeper>("s");
    let first = tokio::spawn(sleeper.dream("first".into()).into_future());
    stage.arrived(1).await;
    let mut dropped = sleeper.nap().into_future();
    let mut timed_out = sleeper.nap().timeout(Duration::from_secs(1)).into_future();
    assert!(poll_once(&mut dropped).await.is_pending());
    assert!(poll_once(&mut timed_out).await.is_pending());
    drop(dropped);
    cluster.advance(Duration::from_secs(1)).await;
    soon(timed_out).await.unwrap_err();
    let last = tokio::spawn(sleeper.dream("last".into()).into_future());
    cluster.settle().await;
    stage.let_on(2);
    soon(first).await.unwrap().unwrap();
    soon(last).await.unwrap().unwrap();
    assert_eq!(stage.notes(), ["first", "dreamt", "last", "dreamt"]);
}

// proves: B28
#[tokio::test]
async fn an_uninterruptible_handler_runs_to_its_end_without_its_caller() {
    let stage = Stage::default();
    let cluster = virtually(&stage).await;
    let sleeper = cluster.get::<Sleeper>("s");
    // One that runs when its caller goes, one that waits.
    let mut running = sleeper.dream("running".into()).into_future();
    let mut waiting = sleeper.dream("waiting".into()).into_future();
    assert!(poll_once(&mut running).await.is_pending());
    assert!(poll_once(&mut waiting).await.is_pending());
    stage.arrived(1).await;
    drop((running, waiting));
    cluster.settle().await;
    assert!(stage.notes().is_empty(), "{:?}", stage.notes());
    stage.let_on(2);
    stage.noted(4).await;
    assert_eq!(stage.notes(), ["running", "dreamt", "waiting", "dreamt"]);
}

// The caller's own choice, of a handler that would end with it: dropped or timed out, running or
// waiting.
// proves: B28
#[tokio::test]
async fn an_uninterruptible_call_is_not_ended_by_its_caller() {
    let stage = Stage::default();
    let cluster = virtually(&stage).await;
    let sleeper = cluster.get::<Sleeper>("s");
    let call = |name: &str| sleeper.doze(name.into());
    // It is in memory then, so that the next one runs in its caller's own poll.
    stage.let_on(1);
    soon(call("first")).await.unwrap();
    stage.arrived(1).await;
    let limit = Duration::from_secs(1);
    let mut running = call("running").uninterruptible().timeout(limit).into_future();
    let mut waiting = call("waiting").uninterruptible().into_future();
    let mut ends = call("ends").into_future();
    for future in [&mut running, &mut waiting, &mut ends] {
        assert!(poll_once(future).await.is_pending());
    }
    // One that was never polled was never sent.
    drop(call("unsent").uninterruptible().into_future());
    stage.arrived(1).await;
    drop((waiting, ends));
    cluster.advance(limit).await;
    assert!(is_timeout(&soon(running).await, limit));
    cluster.settle().await;
    stage.let_on(3);
    stage.noted(6).await;
    cluster.settle().await;
    assert_eq!(stage.notes()[2..], ["running", "dozed", "waiting", "dozed"]);
}

// A persisted request is not its caller's to cancel.
#[tokio::test]
async fn a_persisted_handler_runs_to_its_end_without_its_caller() {
    let stage = Stage::default();
    let cluster = virtually(&stage).await;
    let sleeper = cluster.get::<Sleeper>("s");
    let mut dropped = sleeper.rest().into_future();
    let mut timed_out = sleeper.rest().timeout(Duration::from_secs(1)).into_future();
    assert!(poll_once(&mut dropped).await.is_pending());
    assert!(poll_once(&mut timed_out).await.is_pending());
    stage.arrived(2).await;
    drop(dropped);
    cluster.advance(Duration::from_secs(1)).await;
    let ended = soon(timed_out).await;
    assert!(is_timeout(&ended, Duration::from_secs(1)), "{ended:?}");
    stage.let_on(2);
    stage.noted(2).await;
    assert_eq!(stage.notes(), ["rested", "rested"]);
}
