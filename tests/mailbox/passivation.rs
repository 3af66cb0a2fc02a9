//! Entities leave memory when idle, and come back as they were committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use cluster::prelude::*;
use cluster::{Cluster, EntityOptions};
use futures_util::future::join_all;
use tokio::spawn;
use tokio::task::yield_now;

use crate::support::{Bed, Life, Lives, Log, backends, is_waiting, poll_once, settle, watched};

/// How long an entity of these tests may be idle.
const IDLE: Duration = Duration::from_millis(50);

/// A number, durable as a whole.
#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable, idle = "50ms")]
struct Number {
    value: u64,
}

#[entity]
impl Number {
    #[message(persisted)]
    fn add(&mut self, amount: u64) -> u64 {
        self.value += amount;
        self.value
    }

    #[message]
    fn value(&self) -> u64 {
        self.value
    }
}

// proves: B10, B64
async fn an_idle_entity_leaves_memory_and_comes_back(bed: Bed) {
    let bed = bed.with_virtual_time();
    let cluster = bed.start(|builder| builder.entity::<Number>()).await;
    let number = cluster.get::<Number>("n");
    assert_eq!(number.add(5).await.unwrap(), 5);
    // Its last commit may tell its instance a moment later than its caller.
    settle().await;
    assert_eq!(cluster.stats().resident_entities, 1);
    bed.advance(IDLE - Duration::from_millis(5)).await;
    assert_eq!(cluster.stats().resident_entities, 1, "it was idle for less than its time");
    bed.advance(Duration::from_millis(105)).await;
    assert_eq!(cluster.stats().resident_entities, 0);

    assert_eq!(number.value().await.unwrap(), 5);
    assert_eq!(number.add(1).await.unwrap(), 6);
    assert_eq!(cluster.stats().resident_entities, 1);
}

/// A number that is not stored.
#[derive(Entity, Default)]
struct Sketch {
    value: u64,
}

#[entity]
impl Sketch {
    #[message]
    fn add(&mut self, amount: u64) -> u64 {
        self.value += amount;
        self.value
    }
}

// proves: B67
#[tokio::test]
async fn what_is_not_durable_is_new_after_passivation() {
    let bed = Bed::memory().with_virtual_time();
    let options = EntityOptions { idle: Some(IDLE), ..EntityOptions::DEFAULT };
    let cluster = bed.start(|builder| builder.entity::<Sketch>().options::<Sketch>(options)).await;
    let sketch = cluster.get::<Sketch>("s");
    assert_eq!(sketch.add(2).await.unwrap(), 2);
    bed.advance(IDLE / 2).await;
    assert_eq!(sketch.add(2).await.unwrap(), 4);
    // The idle time has begun anew.
    bed.advance(IDLE / 2).await;
    assert_eq!(sketch.add(2).await.unwrap(), 6);
    bed.advance(3 * IDLE).await;
    assert_eq!(cluster.stats().resident_entities, 0);
    assert_eq!(sketch.add(2).await.unwrap(), 2);
}

/// What lodgers share.
#[derive(Clone, Default)]
struct House {
    lives: Lives,
    /// Set while a teardown runs.
    leaving: Arc<AtomicBool>,
    /// How often somebody was made or called during a teardown.
    met: Arc<AtomicU32>,
    left: Arc<AtomicU32>,
}

/// A durable number that takes its time to leave.
#[derive(Entity)]
struct Lodger {
    #[state]
    value: u64,
    house: House,
    _life: Life,
}

impl Lodger {
    fn move_in(house: &House, id: &EntityId) -> Self {
        house.meet();
        Lodger { value: 0, house: house.clone(), _life: house.lives.begin(id.as_str()) }
    }
}

impl House {
    fn meet(&self) {
        self.met.fetch_add(u32::from(self.leaving.load(Ordering::SeqCst)), Ordering::SeqCst);
    }
}

#[entity]
impl Lodger {
    #[deactivate]
    async fn leave(&mut self) -> Result<(), std::fmt::Error> {
        self.house.leaving.store(true, Ordering::SeqCst);
        for _ in 0..3 {
            yield_now().await;
        }
        self.house.left.fetch_add(1, Ordering::SeqCst);
        self.house.leaving.store(false, Ordering::SeqCst);
        Ok(())
    }

    #[message]
    fn bump(&mut self) {
        self.house.meet();
        self.value += 1;
    }

    #[message(persisted)]
    fn add(&mut self) {
        self.house.meet();
        self.value += 1;
    }

    #[message(persisted)]
    async fn add_slowly(&mut self) {
        self.house.meet();
        yield_now().await;
        self.value += 1;
    }

    #[message]
    fn value(&self) -> u64 {
        self.value
    }
}

async fn host(bed: &Bed, house: &House) -> Cluster {
    let house = house.clone();
    let options = EntityOptions { idle: Some(IDLE), ..EntityOptions::DEFAULT };
    bed.start(|builder| {
        let factory = move |id: &EntityId| Lodger::move_in(&house, id);
        let builder = builder.entity_with::<Lodger>(factory).options::<Lodger>(options);
        // Time runs much faster here than handlers.
        builder.config(|config| config.call_timeout = Duration::from_secs(1_000_000_000))
    })
    .await
}

/// Sends 10,000 messages in rounds. Time races all along, and between two rounds just so far that
/// the entity is before, in, or after its teardown when the next messages come.
async fn messages_race_passivation(bed: Bed) {
    const ROUNDS: u32 = 100;
    const SENDERS: u32 = 10;
    const MESSAGES: u32 = 10;
    let (bed, house) = (bed.with_virtual_time(), House::default());
    let cluster = host(&bed, &house).await;
    watched(async {
        for round in 0..ROUNDS {
            let senders = (0..SENDERS).map(|sender| {
                let lodger = cluster.get::<Lodger>("l");
                spawn(async move { send(&lodger, sender, MESSAGES).await })
            });
            let mut senders = Box::pin(join_all(senders));
            while poll_once(&mut senders).await.is_pending() {
                bed.time().advance(IDLE);
                yield_now().await;
            }
            for _ in 0..round % 25 {
                bed.time().advance(IDLE / 10);
                yield_now().await;
            }
        }
    })
    .await;
    let sent = u64::from(ROUNDS * SENDERS * MESSAGES);
    assert_eq!(cluster.get::<Lodger>("l").value().await.unwrap(), sent);
    cluster.shutdown().await.unwrap();
    assert_eq!(house.lives.doubles(), 0);
    assert_eq!(house.met.load(Ordering::SeqCst), 0);
    assert_eq!(house.lives.now(), 0);
    assert_eq!(house.left.load(Ordering::SeqCst) as usize, house.lives.made());
    assert!(house.lives.made() > 10, "hardly anybody ever left");
}

async fn send(lodger: &LodgerClient, sender: u32, messages: u32) {
    for message in 0..messages {
        match (sender + message) % 10 {
            0 => lodger.add_slowly().await.unwrap(),
            1..5 => lodger.bump().await.unwrap(),
            _ => lodger.add().await.unwrap(),
        }
    }
}

// proves: B66
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_messages_race_passivation_in_memory() {
    messages_race_passivation(Bed::memory()).await;
}

// proves: B66
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_messages_race_passivation_on_sqlite() {
    messages_race_passivation(Bed::sqlite()).await;
}

/// An entity whose hooks note what they do, and fail when told.
#[derive(Entity)]
struct Hooked {
    log: Log,
    failures: Arc<AtomicU32>,
}

#[derive(Debug, thiserror::Error)]
#[error("not yet")]
struct NotYet;

#[entity]
impl Hooked {
    #[activate]
    async fn arrive(&mut self, ctx: &Context) -> Result<(), NotYet> {
        yield_now().await;
        self.log.note(format!("activate {}", ctx.entity_id()));
        let take = |left: u32| left.checked_sub(1);
        let failed = self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok();
        if failed { Err(NotYet) } else { Ok(()) }
    }

    #[deactivate]
    async fn leave(&mut self, ctx: &Context) -> Result<(), NotYet> {
        yield_now().await;
        self.log.note(format!("deactivate {}", ctx.entity_id()));
        Ok(())
    }

    #[message]
    async fn call(&mut self, name: String) {
        yield_now().await;
        self.log.note(name);
    }
}

async fn host_hooked(bed: &Bed, log: &Log, failures: u32) -> Cluster {
    let (log, failures) = (log.clone(), Arc::new(AtomicU32::new(failures)));
    let factory = move |_: &EntityId| Hooked { log: log.clone(), failures: failures.clone() };
    let options = EntityOptions { idle: Some(IDLE), ..EntityOptions::DEFAULT };
    bed.start(|builder| builder.entity_with::<Hooked>(factory).options::<Hooked>(options)).await
}

// proves: B242
#[tokio::test]
async fn hooks_run_once_around_all_handlers_of_an_instance() {
    let (bed, log) = (Bed::memory().with_virtual_time(), Log::default());
    let cluster = host_hooked(&bed, &log, 0).await;
    let hooked = cluster.get::<Hooked>("h");
    let calls = ["a", "b", "c"].map(|name| hooked.call(name.into()).into_future());
    assert!(watched(join_all(calls)).await.iter().all(Result::is_ok));
    bed.advance(3 * IDLE).await;
    let first = ["activate h", "a", "b", "c", "deactivate h"];
    assert_eq!(log.all(), first);

    hooked.call("d".into()).await.unwrap();
    cluster.shutdown().await.unwrap();
    let both = [&first[..], &["activate h", "d", "deactivate h"]].concat();
    assert_eq!(log.all(), both);
}

// proves: B242
#[tokio::test]
async fn an_error_in_activate_is_retried_with_back_off() {
    let (bed, log) = (Bed::memory().with_virtual_time(), Log::default());
    let cluster = host_hooked(&bed, &log, 3).await;
    let hooked = cluster.get::<Hooked>("h");
    let calls = ["a", "b", "c"].map(|name| hooked.call(name.into()).into_future());
    let (replies, took) = bed.advance_until(join_all(calls)).await;
    assert!(replies.iter().all(Result::is_ok));
    let again = ["activate h"; 4];
    assert_eq!(log.all(), [&again[..], &["a", "b", "c"]].concat());
    // 100 ms, 200 ms, 400 ms.
    assert!(took >= Duration::from_millis(700), "{took:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
}

/// An entity whose factory can fail.
#[derive(Entity)]
struct Made {
    #[state]
    done: Vec<String>,
}

#[entity]
impl Made {
    #[message(persisted)]
    fn note(&mut self, name: String) {
        self.done.push(name);
    }

    #[message]
    fn note_now(&mut self, name: String) {
        self.done.push(name);
    }

    #[message]
    fn done(&self) -> Vec<String> {
        self.done.clone()
    }
}

// proves: B70
async fn a_failing_factory_is_tried_again_and_nobody_is_lost(bed: Bed) {
    let (bed, tries) = (bed.with_virtual_time(), Arc::new(AtomicU32::new(0)));
    let counted = tries.clone();
    let factory = move |id: &EntityId| {
        let fails = id.as_str() == "late" && counted.fetch_add(1, Ordering::SeqCst) < 4;
        if fails { Err(NotYet) } else { Ok(Made { done: Vec::new() }) }
    };
    let cluster = bed.start(|builder| builder.try_entity_with::<Made, _>(factory)).await;
    let late = cluster.get::<Made>("late");
    let persisted: Vec<_> = (0..20).map(|number| format!("persisted {number}")).collect();
    let volatile: Vec<_> = (0..20).map(|number| format!("volatile {number}")).collect();
    for (persisted, volatile) in persisted.iter().zip(&volatile) {
        late.note(persisted.clone()).send().await.unwrap();
        late.note_now(volatile.clone()).send().await.unwrap();
    }
    let mut done = Box::pin(late.done().into_future());
    assert!(is_waiting(&mut done).await);
    watched(cluster.get::<Made>("other").note("served".into())).await.unwrap();
    assert_eq!(cluster.get::<Made>("other").done().await.unwrap(), ["served"]);

    let began = bed.clock().now();
    watched(async {
        while tries.load(Ordering::SeqCst) < 5 {
            bed.advance(Duration::from_millis(50)).await;
        }
    })
    .await;
    let took = bed.clock().now() - began;
    // 100 ms, 200 ms, 400 ms, 800 ms.
    assert!(took >= Duration::from_millis(1_400), "{took:?}");
    assert!(took <= Duration::from_millis(1_700), "{took:?}");
    watched(done).await.unwrap();
    cluster.caught_up().await.unwrap();
    // One kind may overtake the other, but never its own.
    let done = late.done().await.unwrap();
    assert_eq!(done.len(), 40);
    let (first, second): (Vec<_>, Vec<_>) =
        done.into_iter().partition(|name| name.starts_with("persisted"));
    assert_eq!(first, persisted);
    assert_eq!(second, volatile);
}

backends!(
    an_idle_entity_leaves_memory_and_comes_back,
    a_failing_factory_is_tried_again_and_nobody_is_lost,
);
