//! What stays true when there is too much of something: calls for a full mailbox, entities for the
//! memory, handlers ahead of their commits, and no time left.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::Poll;
use std::time::Duration;

use cluster::EntityOptions;
use cluster::prelude::*;
use tokio::spawn;
use tokio::sync::Semaphore;

use crate::entities::Counter;
use crate::support::{Bed, Probe, backends, is_waiting, poll_once, refused, settle, soon};

/// May be held and looked at.
#[derive(Entity)]
struct Turnstile {
    probe: Probe,
    spins: i64,
}

#[entity]
impl Turnstile {
    /// Holds the entity for as long as the test wants, beside others that only look.
    #[message]
    async fn stay(&self, point: String) {
        self.probe.pass(&point).await;
    }

    #[message(persisted)]
    fn look(&self) -> i64 {
        self.spins
    }
}

/// Lets one at a time through, when the test says so.
#[derive(Entity)]
struct Sluice {
    probe: Probe,
    turns: Arc<Semaphore>,
}

#[entity]
impl Sluice {
    #[message]
    async fn pass(&mut self) {
        self.turns.acquire().await.expect("never closed").forget();
    }

    #[message(persisted)]
    async fn enter(&mut self) {
        self.probe.note("entered");
        self.turns.acquire().await.expect("never closed").forget();
    }
}

// proves: B58
async fn persisted_requests_get_through_a_mailbox_that_calls_keep_full(bed: Bed) {
    const REQUESTS: usize = 50;
    let turns = Arc::new(Semaphore::new(0));
    let (probe, shared) = (bed.probe.clone(), turns.clone());
    let sluice = move |_: &EntityId| Sluice { probe: probe.clone(), turns: shared.clone() };
    let small = EntityOptions { mailbox: Some(8), ..EntityOptions::DEFAULT };
    let cluster = bed
        .start_impatient(|builder| builder.entity_with::<Sluice>(sluice).options::<Sluice>(small))
        .await;
    let entity = cluster.get::<Sluice>("s");
    // One of them runs, eight are in the mailbox, the others only in the storage.
    let mut receipts = Vec::new();
    for _ in 0..REQUESTS {
        receipts.push(entity.enter().send().await.unwrap());
    }
    bed.settle().await;
    let (mut calls, mut runs) = (Vec::new(), 0);
    while bed.probe.count("entered") < REQUESTS {
        // Before each turn somebody calls for every place that there is.
        loop {
            let mut call = Box::pin(entity.pass().into_future());
            match poll_once(&mut call).await {
                Poll::Pending => calls.push(call),
                Poll::Ready(Err(ClusterError::MailboxFull { limit: 8, .. })) => break,
                Poll::Ready(ended) => panic!("{ended:?}"),
            }
        }
        turns.add_permits(1);
        runs += 1;
        bed.settle().await;
        assert!(runs < 2 * REQUESTS, "{} came in", bed.probe.count("entered"));
    }
    turns.add_permits(10 * REQUESTS);
    for receipt in receipts {
        receipt.outcome().await.unwrap();
    }
    assert!(!calls.is_empty(), "calls had places too");
    for call in calls {
        call.await.unwrap();
    }
}

// proves: B59
async fn a_resident_is_served_while_another_waits_for_a_place(bed: Bed) {
    let bed = bed.with_virtual_time();
    let probe = Probe::default();
    let shared = probe.clone();
    let turnstile = move |_: &EntityId| Turnstile { probe: shared.clone(), spins: 0 };
    let cluster = bed
        .start(|builder| {
            let builder = builder.config(|config| config.resident_entities_max = 2);
            builder.entity_with::<Turnstile>(turnstile)
        })
        .await;
    for point in ["a", "b"] {
        probe.close(point);
        let entity = cluster.get::<Turnstile>(point);
        drop(spawn(async move { entity.stay(point.into()).timeout(Duration::MAX).await }));
        probe.wait_for(point, 1).await;
    }
    // Nobody is idle: this one waits, and with it whatever is accepted from here on.
    let outside = cluster.get::<Turnstile>("c").look().send().await.unwrap();
    let resident = cluster.get::<Turnstile>("a").look().send().await.unwrap();
    let looked = spawn(async move { resident.outcome().await });
    bed.advance(Duration::from_secs(1)).await;
    assert_eq!(looked.await.unwrap().unwrap(), 0, "it has its entity in memory");
    probe.open("b");
    assert_eq!(outside.outcome().await.unwrap(), 0, "it has its place");
    probe.open("a");
}

// proves: B56, B58
async fn handlers_run_ahead_of_their_commits_only_so_far(bed: Bed) {
    let small = EntityOptions { mailbox: Some(8), ..EntityOptions::DEFAULT };
    let cluster = bed
        .start(|builder| {
            let builder = builder.config(|config| config.run_ahead_max = 4);
            builder.entity::<Sum>().options::<Sum>(small)
        })
        .await;
    let sum = cluster.get::<Sum>("s");
    sum.add(1).await.unwrap();
    bed.door.hold_commits();
    let mut waiting = Vec::new();
    let mut full = 0;
    for _ in 0..40 {
        let mut call = Box::pin(sum.add(1).into_future());
        match is_waiting(&mut call).await {
            true => waiting.push(call),
            false => full += 1,
        }
    }
    // So many have run, so many stand in the mailbox.
    assert_eq!((waiting.len(), full), (4 + 8, 40 - 4 - 8));
    bed.door.release();
    for call in waiting {
        call.await.unwrap();
    }
    assert_eq!(sum.add(1).await.unwrap(), 1 + 12 + 1);
}

/// A number.
#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
struct Sum {
    sum: i64,
}

#[entity]
impl Sum {
    #[message]
    fn add(&mut self, amount: i64) -> i64 {
        self.sum += amount;
        self.sum
    }
}

/// Sees what is in memory, and may break on it.
#[derive(Entity)]
struct Fragile {
    #[state]
    sum: i64,
    probe: Probe,
}

#[entity]
impl Fragile {
    #[message(persisted)]
    async fn add(&mut self, amount: i64) -> i64 {
        self.probe.pass("add").await;
        self.sum += amount;
        self.sum
    }

    #[message(persisted)]
    fn read(&self) -> i64 {
        self.probe.arrive("read");
        self.sum
    }
}

// proves: B47
async fn a_run_that_was_built_on_a_lost_commit_and_failed_is_no_attempt(bed: Bed) {
    let probe = Probe::default();
    let shared = probe.clone();
    let fragile = move |_: &EntityId| Fragile { sum: 0, probe: shared.clone() };
    let defect =
        EntityOptions { on_panic: Some(cluster::OnPanic::Defect), ..EntityOptions::DEFAULT };
    let cluster = bed
        .start(|builder| {
            let builder = builder.config(|config| config.commit_attempts = 1);
            builder.entity_with::<Fragile>(fragile).options::<Fragile>(defect)
        })
        .await;
    let entity = cluster.get::<Fragile>("f");
    entity.add(1).await.unwrap();
    // Both are accepted; the first one's end is held, the second one breaks ahead of it.
    probe.close("add");
    let adding = entity.add(10).send().await.unwrap();
    let reading = entity.read().send().await.unwrap();
    probe.wait_for("add", 2).await;
    bed.door.hold_commits();
    probe.panic_at("read", 1);
    probe.open("add");
    bed.door.commits_held(1).await;
    probe.wait_for("read", 1).await;
    bed.door.turn_away(refused());
    bed.door.release();
    assert_eq!(adding.outcome().await.unwrap(), 11);
    assert_eq!(reading.outcome().await.unwrap(), 11, "it ran again, on what was committed");
}

/// Calls another entity with what it makes up anew in each run.
#[derive(Entity)]
struct Fickle {
    runs: Arc<AtomicI64>,
}

#[derive(Debug, thiserror::Error)]
#[error("not now")]
struct NotNow;

#[entity]
impl Fickle {
    #[message(persisted)]
    async fn give(&mut self, ctx: &Context) -> Result<i64, CallError<String>> {
        let run = self.runs.fetch_add(1, Ordering::SeqCst) + 1;
        let sum = ctx.get::<Counter>("c").add(run).await?;
        if run == 1 {
            Err(NotNow).or_retry()?;
        }
        Ok(sum)
    }
}

// proves: B41
async fn a_rerun_that_asks_differently_finds_what_the_first_run_got(bed: Bed) {
    let runs = Arc::new(AtomicI64::new(0));
    let shared = runs.clone();
    let fickle = move |_: &EntityId| Fickle { runs: shared.clone() };
    let cluster = bed
        .start_impatient(|builder| builder.entity_with::<Fickle>(fickle).entity::<Counter>())
        .await;
    assert_eq!(cluster.get::<Fickle>("f").give().await.unwrap(), 1);
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    assert_eq!(cluster.get::<Counter>("c").value().await.unwrap(), 1, "added once");
}

/// Calls the next one, and tells what came of it.
#[derive(Entity)]
struct Link {
    probe: Probe,
}

#[entity]
impl Link {
    #[message(persisted)]
    async fn pull(&mut self, ctx: &Context, mut next: Vec<String>) -> String {
        if next.is_empty() {
            self.probe.pass("end").await;
            return "end".into();
        }
        let first = next.remove(0);
        match ctx.get::<Link>(first).pull(next).await {
            Ok(told) => told,
            Err(ClusterError::Reentrant { chain }) => format!("refused after {}", chain.len()),
            Err(error) => format!("{error:?}"),
        }
    }
}

// proves: B63
async fn a_call_that_came_by_way_of_the_storage_belongs_to_its_chain(bed: Bed) {
    let probe = Probe::default();
    let shared = probe.clone();
    let link = move |_: &EntityId| Link { probe: shared.clone() };
    let small = EntityOptions { mailbox: Some(1), ..EntityOptions::DEFAULT };
    let cluster = bed
        .start_impatient(|builder| builder.entity_with::<Link>(link).options::<Link>(small))
        .await;
    let (a, b) = (cluster.get::<Link>("a"), cluster.get::<Link>("b"));
    probe.close("end");
    let first = b.pull(Vec::new()).send().await.unwrap();
    probe.wait_for("end", 1).await;
    let second = b.pull(Vec::new()).send().await.unwrap();
    // The mailbox of `b` is full: this call of it stays in the storage for now.
    let pulled = spawn(a.pull(vec!["b".into(), "a".into()]).into_future());
    bed.door.called("commit", 4).await;
    settle().await;
    probe.open("end");
    assert_eq!(pulled.await.unwrap().unwrap(), "refused after 3");
    assert_eq!(first.outcome().await.unwrap(), "end");
    assert_eq!(second.outcome().await.unwrap(), "end");
}

/// Waits for itself, and passes on what comes of it.
#[derive(Entity, Default)]
struct Mirror;

#[entity]
impl Mirror {
    #[message(persisted)]
    async fn look(&mut self, ctx: &Context) -> Result<u32, CallError<String>> {
        ctx.get::<Mirror>("m").look().await
    }
}

// proves: B63
async fn a_handler_that_waits_for_itself_ends_at_once(bed: Bed) {
    let cluster = bed.start_impatient(|builder| builder.entity::<Mirror>()).await;
    let told = cluster.get::<Mirror>("m").look().await.unwrap_err();
    let CallError::Cluster(ClusterError::Defect { attempts: 1, reason, .. }) = &told else {
        panic!("{told:?}")
    };
    assert!(reason.contains("Mirror/m"), "{reason}");
}

backends!(
    a_handler_that_waits_for_itself_ends_at_once,
    a_call_that_came_by_way_of_the_storage_belongs_to_its_chain,
    persisted_requests_get_through_a_mailbox_that_calls_keep_full,
    a_resident_is_served_while_another_waits_for_a_place,
    handlers_run_ahead_of_their_commits_only_so_far,
    a_run_that_was_built_on_a_lost_commit_and_failed_is_no_attempt,
    a_rerun_that_asks_differently_finds_what_the_first_run_got,
);

/// Works without ever giving way.
#[derive(Entity, Serialize, Deserialize, Default)]
#[entity(durable)]
struct Stubborn {
    worked: i64,
}

/// Where a plain handler waits, and is waited for.
static GATE: std::sync::Barrier = std::sync::Barrier::new(2);

#[entity]
impl Stubborn {
    #[message]
    fn work(&mut self) -> i64 {
        GATE.wait();
        GATE.wait();
        self.worked += 1;
        self.worked
    }

    #[message]
    fn worked(&self) -> i64 {
        self.worked
    }
}

// proves: B92
#[test]
fn a_shutdown_waits_for_a_handler_that_runs_in_its_callers_task() {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(3).enable_all().build().unwrap();
    runtime.block_on(soon(async {
        let bed = Bed::sqlite();
        let cluster = bed.start_impatient(|builder| builder.entity::<Stubborn>()).await;
        let stubborn = cluster.get::<Stubborn>("s");
        stubborn.worked().await.unwrap();
        let working = spawn(async move { stubborn.work().await });
        tokio::task::spawn_blocking(|| GATE.wait()).await.unwrap();
        let ended = cluster.clone();
        let mut ending = spawn(async move { ended.shutdown().await });
        assert!(is_waiting(&mut ending).await);
        tokio::task::spawn_blocking(|| GATE.wait()).await.unwrap();
        assert_eq!(working.await.unwrap().unwrap(), 1);
        ending.await.unwrap().unwrap();
        drop(cluster);
        let cluster = bed.start_impatient(|builder| builder.entity::<Stubborn>()).await;
        assert_eq!(cluster.get::<Stubborn>("s").worked().await.unwrap(), 1);
    }));
}

/// Breaks whoever drops it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Mine(bool);

impl Drop for Mine {
    fn drop(&mut self) {
        assert!(!self.0 || std::thread::panicking(), "a reply that nobody took");
    }
}

#[derive(Entity)]
struct Miner {
    probe: Probe,
}

#[entity]
impl Miner {
    #[message]
    async fn dig(&mut self) {
        self.probe.pass("digging").await;
    }

    #[message(uninterruptible)]
    fn lay(&mut self) -> Mine {
        self.probe.note("laid");
        Mine(true)
    }

    #[message]
    fn rest(&mut self) -> u32 {
        7
    }
}

#[tokio::test]
async fn a_reply_that_panics_when_nobody_takes_it_stops_no_other_call() {
    soon(async {
        let (bed, probe) = (Bed::memory(), Probe::default());
        let shared = probe.clone();
        let miner = move |_: &EntityId| Miner { probe: shared.clone() };
        let cluster = bed.start_impatient(|builder| builder.entity_with::<Miner>(miner)).await;
        let miner = cluster.get::<Miner>("m");
        probe.close("digging");
        let digging = spawn(miner.dig().into_future());
        probe.wait_for("digging", 1).await;
        let mut laying = Box::pin(miner.lay().into_future());
        assert!(is_waiting(&mut laying).await);
        drop(laying);
        let mut resting = Box::pin(miner.rest().into_future());
        assert!(is_waiting(&mut resting).await);
        probe.open("digging");
        // The panic may be met by whoever starts the waiting requests: here the first one's task.
        let _ = digging.await;
        assert_eq!(resting.await.unwrap(), 7);
        assert_eq!(probe.count("laid"), 1);
    })
    .await;
}
