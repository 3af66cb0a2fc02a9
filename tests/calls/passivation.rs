//! Entities leave memory when idle and come back as they were; nothing is lost in between.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use cluster::prelude::*;
use cluster::testing::TestCluster;

use tokio::sync::Barrier;

use crate::stage::Stage;
use crate::support::{Bed, backends, soon, until};

#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable, idle = "50ms")]
struct Kept {
    count: u64,
}

#[entity]
impl Kept {
    #[message]
    fn add(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    #[message]
    fn count(&self) -> u64 {
        self.count
    }
}

#[derive(Entity, Default)]
#[entity(idle = "50ms")]
struct Lost {
    count: u64,
}

#[entity]
impl Lost {
    #[message]
    fn add(&mut self) -> u64 {
        self.count += 1;
        self.count
    }
}

// proves: B10, B64, B67
async fn an_idle_entity_leaves_memory_and_comes_back_with_what_is_stored(bed: Bed) {
    let storage = bed.open().await;
    let cluster =
        TestCluster::new().storage(storage).entity::<Kept>().entity::<Lost>().start().await;
    let kept = cluster.get::<Kept>("k");
    let lost = cluster.get::<Lost>("l");
    let resident = || cluster.stats().resident_entities;
    for round in 1..=3 {
        assert_eq!(soon(kept.add().into_future()).await.unwrap(), round);
        assert_eq!(lost.add().await.unwrap(), 1, "it begins anew");
        assert_eq!(resident(), 2);
        cluster.advance(Duration::from_millis(40)).await;
        assert_eq!(resident(), 2, "not idle for long enough");
        // A call begins the idle time anew.
        assert_eq!(kept.count().await.unwrap(), round);
        assert_eq!(lost.add().await.unwrap(), 2);
        cluster.advance(Duration::from_millis(40)).await;
        assert_eq!(resident(), 2, "not idle for long enough since the last call");
        cluster.advance(Duration::from_millis(60)).await;
        until(|| resident() == 0).await;
    }
    assert_eq!(soon(kept.count().into_future()).await.unwrap(), 3);
    cluster.shutdown().await.unwrap();
}

/// Lives with hooks around it.
#[derive(Entity)]
#[entity(idle = "50ms")]
struct Hooked {
    #[state]
    calls: u32,
    stage: Stage,
    fails: Arc<AtomicI64>,
}

#[derive(Debug, thiserror::Error)]
#[error("not yet")]
struct NotYet;

#[entity]
impl Hooked {
    #[activate]
    async fn open(&mut self, ctx: &Context) -> Result<(), NotYet> {
        tokio::task::yield_now().await;
        if self.fails.fetch_sub(1, Ordering::SeqCst) > 0 {
            self.stage.note("fails");
            return Err(NotYet);
        }
        self.stage.note(format!("opens {} at {}", ctx.entity_id(), self.calls));
        Ok(())
    }

    #[deactivate]
    async fn close(&mut self) -> Result<(), NotYet> {
        tokio::task::yield_now().await;
        self.stage.note(format!("closes at {}", self.calls));
        Err(NotYet)
    }

    #[message]
    async fn call(&mut self) -> u32 {
        self.calls += 1;
        self.stage.note(format!("call {}", self.calls));
        tokio::task::yield_now().await;
        self.calls
    }

    #[message]
    async fn wait(&self) {
        self.stage.pause().await;
    }
}

fn hooked(
    stage: &Stage,
    fails: &Arc<AtomicI64>,
) -> impl Fn(&EntityId) -> Hooked + Send + Sync + use<> {
    let (stage, fails) = (stage.clone(), fails.clone());
    move |_| Hooked { calls: 0, stage: stage.clone(), fails: fails.clone() }
}

// proves: B242
async fn hooks_run_once_around_the_life_of_each_instance(bed: Bed) {
    let storage = bed.open().await;
    let stage = Stage::default();
    let fails = Arc::new(AtomicI64::new(2));
    let cluster = TestCluster::new()
        .storage(storage)
        .entity_with::<Hooked>(hooked(&stage, &fails))
        .start()
        .await;
    let entity = cluster.get::<Hooked>("h");
    // An error while it is activated is tried again with back-off: 100 ms, then 200 ms.
    let calls: Vec<_> = (0..3).map(|_| tokio::spawn(entity.call().into_future())).collect();
    stage.noted(1).await;
    cluster.advance(Duration::from_millis(99)).await;
    assert_eq!(stage.notes(), ["fails"]);
    cluster.advance(Duration::from_millis(1)).await;
    stage.noted(2).await;
    cluster.advance(Duration::from_millis(199)).await;
    assert_eq!(stage.notes(), ["fails", "fails"]);
    cluster.advance(Duration::from_millis(1)).await;
    for call in calls {
        soon(call).await.unwrap().unwrap();
    }
    cluster.advance(Duration::from_millis(120)).await;
    until(|| cluster.stats().resident_entities == 0).await;
    assert_eq!(soon(entity.call().into_future()).await.unwrap(), 4);
    cluster.shutdown().await.unwrap();
    let lived = ["opens h at 0", "call 1", "call 2", "call 3", "closes at 3"];
    assert_eq!(stage.notes()[2..7], lived);
    assert_eq!(stage.notes()[7..], ["opens h at 3", "call 4", "closes at 4"]);
}

// The factor of a back-off is a setting: here each wait is three times as long as the one before,
// up to the longest.
// proves: B242
#[tokio::test]
async fn a_back_off_grows_by_its_factor() {
    let stage = Stage::default();
    let fails = Arc::new(AtomicI64::new(4));
    let slower = |config: &mut cluster::Config| {
        config.backoff_factor = 3;
        config.backoff_max = Duration::from_millis(500);
    };
    let cluster = TestCluster::new()
        .with(move |builder| builder.config(slower))
        .entity_with::<Hooked>(hooked(&stage, &fails))
        .start()
        .await;
    let call = tokio::spawn(cluster.get::<Hooked>("h").call().into_future());
    for (failed, wait) in (1..).zip([100, 300, 500, 500]) {
        stage.noted(failed).await;
        cluster.advance(Duration::from_millis(wait - 1)).await;
        assert_eq!(stage.notes().len(), failed);
        cluster.advance(Duration::from_millis(1)).await;
    }
    soon(call).await.unwrap().unwrap();
    cluster.shutdown().await.unwrap();
}

// A handler that runs for longer than the idle time keeps its entity in memory, and the idle time
// begins when it ends.
// proves: B65
#[tokio::test]
async fn an_entity_with_a_running_handler_stays() {
    let stage = Stage::default();
    let cluster = TestCluster::new()
        .entity_with::<Hooked>(hooked(&stage, &Arc::new(AtomicI64::new(0))))
        .start()
        .await;
    let waiting = tokio::spawn(cluster.get::<Hooked>("h").wait().into_future());
    stage.arrived(1).await;
    cluster.advance(Duration::from_secs(20)).await;
    assert_eq!(cluster.stats().resident_entities, 1);
    stage.let_on(1);
    soon(waiting).await.unwrap().unwrap();
    cluster.advance(Duration::from_millis(40)).await;
    assert_eq!(cluster.stats().resident_entities, 1, "it was idle for 40 ms");
    cluster.advance(Duration::from_millis(60)).await;
    until(|| cluster.stats().resident_entities == 0).await;
}

/// What the instances of one entity do, all seen from outside.
#[derive(Default)]
struct Lives {
    living: AtomicI64,
    overlaps: AtomicU64,
    made: AtomicU64,
    events: Mutex<Vec<&'static str>>,
}

#[derive(Entity)]
#[entity(idle = "1ms")]
struct Racer {
    lives: Arc<Lives>,
}

impl Racer {
    fn new(lives: &Arc<Lives>) -> Self {
        if lives.living.fetch_add(1, Ordering::SeqCst) != 0 {
            lives.overlaps.fetch_add(1, Ordering::SeqCst);
        }
        lives.made.fetch_add(1, Ordering::SeqCst);
        lives.events.lock().unwrap().push("made");
        Racer { lives: lives.clone() }
    }
}

impl Drop for Racer {
    fn drop(&mut self) {
        self.lives.events.lock().unwrap().push("dropped");
        self.lives.living.fetch_sub(1, Ordering::SeqCst);
    }
}

#[entity]
impl Racer {
    #[deactivate]
    async fn leave(&mut self) -> Result<(), NotYet> {
        self.lives.events.lock().unwrap().push("leaves");
        tokio::task::yield_now().await;
        self.lives.events.lock().unwrap().push("left");
        Ok(())
    }

    #[message]
    fn pass(&mut self) -> u32 {
        1
    }

    #[message]
    async fn pass_slowly(&self) -> u32 {
        tokio::task::yield_now().await;
        1
    }

    #[message(persisted)]
    fn pass_stored(&mut self) -> u32 {
        1
    }
}

// proves: B66
async fn ten_thousand_messages_race_passivation_and_none_is_lost(bed: Bed) {
    let storage = bed.open().await;
    let lives = Arc::new(Lives::default());
    let shared = lives.clone();
    let cluster = TestCluster::new()
        .storage(storage)
        .entity_with::<Racer>(move |_| Racer::new(&shared))
        .start()
        .await;
    // Time runs: every step of it makes the entity due, and lets the cluster look for such.
    let stop = Arc::new(AtomicBool::new(false));
    let running = tokio::spawn({
        let (clock, stop) = (cluster.clock().clone(), stop.clone());
        async move {
            while !stop.load(Ordering::SeqCst) {
                clock.advance(Duration::from_millis(10));
                tokio::task::yield_now().await;
            }
        }
    });
    let together = Arc::new(Barrier::new(4));
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            let racer = cluster.get::<Racer>("r");
            let (hosting, together) = ((*cluster).clone(), together.clone());
            let limit = Duration::from_secs(1_000_000_000);
            tokio::spawn(async move {
                let mut passed = 0;
                for number in 0..2_500 {
                    passed += match (sender + number) % 50 {
                        0 => racer.pass_stored().timeout(limit).await.unwrap(),
                        odd if odd % 2 == 1 => racer.pass_slowly().timeout(limit).await.unwrap(),
                        _ => racer.pass().timeout(limit).await.unwrap(),
                    };
                    if number % 100 == 99 && together.wait().await.is_leader() {
                        // From time to time all stop until it has left; else it does as it comes.
                        until(|| hosting.stats().resident_entities == 0).await;
                    }
                }
                passed
            })
        })
        .collect();
    let mut passed = 0;
    for sender in senders {
        passed += soon(sender).await.unwrap();
    }
    stop.store(true, Ordering::SeqCst);
    running.await.unwrap();
    assert_eq!(passed, 10_000, "none is lost");
    assert_eq!(lives.overlaps.load(Ordering::SeqCst), 0, "never two instances");
    assert!(lives.made.load(Ordering::SeqCst) >= 25, "it did leave memory");
    cluster.shutdown().await.unwrap();
    let events = lives.events.lock().unwrap();
    for life in events.chunks(4) {
        assert_eq!(life, ["made", "leaves", "left", "dropped"], "one life after the other");
    }
}

backends!(
    an_idle_entity_leaves_memory_and_comes_back_with_what_is_stored,
    hooks_run_once_around_the_life_of_each_instance,
    ten_thousand_messages_race_passivation_and_none_is_lost on threads,
);
