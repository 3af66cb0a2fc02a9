//! Handlers that panic, fail, are dropped, or whose state turns out not to hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use cluster::prelude::*;
use cluster::storage::Storage;

use crate::stage::Stage;
use crate::support::{Bed, backends, poll_once, refused, soon, until};

/// A ledger in a state that is stored, or not.
#[derive(Entity)]
#[entity(idle = "1h", on_panic = "defect")]
struct Stored {
    #[state]
    sum: i64,
    stage: Stage,
}

#[derive(Entity)]
#[entity(idle = "1h")]
struct Unstored {
    sum: i64,
    stage: Stage,
}

macro_rules! handlers {
    ($name:ident) => {
        #[entity]
        impl $name {
            #[activate]
            async fn begins(&mut self) -> Result<(), std::io::Error> {
                self.stage.note("begins");
                Ok(())
            }

            #[message]
            fn add(&mut self, amount: i64) -> i64 {
                self.sum += amount;
                self.sum
            }

            #[message]
            fn sum(&self) -> i64 {
                self.sum
            }

            #[message]
            async fn add_slowly(&mut self, amount: i64) -> i64 {
                for _ in 0..3 {
                    self.sum += amount;
                    self.stage.pause().await;
                }
                self.sum
            }

            #[message]
            async fn sum_slowly(&self) -> i64 {
                let sum = self.sum;
                self.stage.pause().await;
                sum
            }

            #[message]
            fn fail(&mut self, amount: i64) -> Result<i64, String> {
                self.sum += amount;
                Err(format!("not {amount}"))
            }

            #[message]
            fn burst(&mut self) {
                self.sum = -1_000;
                panic!("a plain writer");
            }

            #[message]
            async fn burst_later(&mut self) {
                self.sum = -1_000;
                self.stage.pause().await;
                panic!("a writer {}", "later");
            }

            #[message]
            fn look_and_burst(&self) -> i64 {
                panic!("a reader");
            }

            #[message]
            async fn look_and_burst_later(&self) -> i64 {
                self.stage.pause().await;
                panic!("a reader later");
            }

            #[message(persisted)]
            fn burst_for_good(&mut self) -> i64 {
                self.sum = -1_000;
                panic!("persisted");
            }
        }
    };
}

handlers!(Stored);
handlers!(Unstored);

async fn start(storage: Arc<dyn Storage>, stage: &Stage) -> Cluster {
    let (one, other) = (stage.clone(), stage.clone());
    Cluster::builder()
        .storage(storage)
        .config(|config| config.commit_attempts = 1)
        .entity_with::<Stored>(move |_| Stored { sum: 0, stage: one.clone() })
        .entity_with::<Unstored>(move |_| Unstored { sum: 0, stage: other.clone() })
        .start()
        .await
        .expect("it starts")
}

/// Ends a call that must end with this panic's notice.
async fn defect<T: std::fmt::Debug>(
    call: impl IntoFuture<Output = Result<T, ClusterError>>,
    text: &str,
) {
    match soon(call.into_future()).await {
        Err(ClusterError::Defect { reason, attempts, .. }) => {
            assert_eq!((&*reason, attempts), (text, 1));
        }
        ended => panic!("not a defect: {ended:?}"),
    }
}

macro_rules! on_both_kinds {
    ($cluster:ident, |$entity:ident, $stored:ident| $body:block) => {{
        let $stored = true;
        let $entity = $cluster.get::<Stored>("e");
        $body
        let $stored = false;
        let $entity = $cluster.get::<Unstored>("e");
        $body
    }};
}

// proves: B94
async fn a_panic_is_its_callers_defect_once_and_the_entity_serves_on(bed: Bed) {
    let storage = bed.open().await;
    let stage = Stage::default();
    let cluster = start(storage, &stage).await;
    stage.let_on(usize::from(u16::MAX));
    on_both_kinds!(cluster, |entity, stored| {
        let begun = || stage.notes().len();
        let before = begun();
        assert_eq!(entity.add(5).await.unwrap(), 5);
        // A writer's panic ends the instance: the last committed state, or the first one, is left.
        let left = if stored { 5 } else { 0 };
        defect(entity.burst(), "a plain writer").await;
        assert_eq!(entity.sum().await.unwrap(), left);
        defect(entity.burst_later(), "a writer later").await;
        assert_eq!(entity.sum().await.unwrap(), left);
        assert_eq!(begun() - before, 3, "an instance at first, and one after each panic");
        // A reader has changed nothing.
        defect(entity.look_and_burst(), "a reader").await;
        defect(entity.look_and_burst_later(), "a reader later").await;
        assert_eq!(entity.add(1).await.unwrap(), left + 1);
        assert_eq!(begun() - before, 3);
    });
    // The type may choose the same for persisted requests: no second attempt.
    defect(cluster.get::<Stored>("e").burst_for_good(), "persisted").await;
    assert_eq!(cluster.get::<Stored>("e").sum().await.unwrap(), 6);
    cluster.shutdown().await.unwrap();
}

// What a cancelled or failed handler has changed is undone where the state is stored, else not.
async fn a_dropped_or_failed_writer_rolls_back_only_what_is_stored(bed: Bed) {
    let storage = bed.open().await;
    let stage = Stage::default();
    let cluster = start(storage, &stage).await;
    on_both_kinds!(cluster, |entity, stored| {
        assert_eq!(entity.add(1).await.unwrap(), 1);
        let error = entity.fail(10).await.unwrap_err();
        assert!(matches!(error, CallError::Entity(text) if text == "not 10"));
        assert_eq!(entity.sum().await.unwrap(), if stored { 1 } else { 11 });
        let before = entity.sum().await.unwrap();
        // Dropped at each of its awaits.
        for passed in 0..3 {
            let mut call = entity.add_slowly(100).into_future();
            assert!(poll_once(&mut call).await.is_pending());
            stage.arrived(1).await;
            for _ in 0..passed {
                stage.let_on(1);
                stage.arrived(1).await;
            }
            drop(call);
            let changed = if stored { 0 } else { 100 * (1..=passed + 1).sum::<i64>() };
            let mut sum = 0;
            // The call behind the dropped one waits until the entity is handed back.
            soon(async { sum = entity.sum().await.unwrap() }).await;
            let all: i64 = (0..passed).map(|n| 100 * (n + 1)).sum::<i64>() + 100 * (passed + 1);
            let _ = changed;
            assert_eq!(sum, before + if stored { 0 } else { all });
        }
        stage.let_on(3);
        let end = soon(entity.add_slowly(1).into_future()).await.unwrap();
        assert_eq!(entity.sum().await.unwrap(), end);
        stage.arrived(3).await;
    });
    cluster.shutdown().await.unwrap();
}

// A state that a failed commit takes back is shown by nobody: not by an instance that was being
// made from it, not by a reader that had read it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_failed_commit_takes_back_is_never_shown() {
    let stage = Stage::default();
    let bed = Bed::memory();
    let cluster = start(bed.open().await, &stage).await;
    let entity = cluster.get::<Stored>("e");
    assert_eq!(entity.add(1).await.unwrap(), 1);
    bed.door.hold_commits();
    let adding = tokio::spawn(entity.add(10).into_future());
    soon(bed.door.commits_held(1)).await;
    let mut reading = entity.sum_slowly().into_future();
    assert!(poll_once(&mut reading).await.is_pending());
    stage.arrived(1).await;
    bed.door.turn_away(refused());
    bed.door.release();
    let error = soon(adding).await.unwrap().unwrap_err();
    assert!(matches!(error, ClusterError::OutcomeUnknown { .. }), "{error:?}");
    stage.let_on(1);
    let error = soon(reading).await.unwrap_err();
    assert!(matches!(error, ClusterError::OutcomeUnknown { .. }), "{error:?}");
    assert_eq!(soon(entity.sum().into_future()).await.unwrap(), 1);
    cluster.shutdown().await.unwrap();
}

/// Takes its time to begin.
#[derive(Entity)]
#[entity(idle = "1h")]
struct SlowStart {
    #[state]
    sum: i64,
    stage: Stage,
}

#[entity]
impl SlowStart {
    #[activate]
    async fn begins(&mut self) -> Result<(), std::io::Error> {
        self.stage.pause().await;
        Ok(())
    }

    #[message]
    fn add(&mut self, amount: i64) -> i64 {
        self.sum += amount;
        self.sum
    }

    #[message]
    fn burst(&mut self) {
        self.stage.note("burst");
        panic!("gone");
    }

    #[message]
    fn sum(&self) -> i64 {
        self.sum
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_made_from_what_a_failed_commit_takes_back_is_made_again() {
    let stage = Stage::default();
    let shared = stage.clone();
    let bed = Bed::memory();
    let cluster = Cluster::builder()
        .storage(bed.open().await)
        .config(|config| config.commit_attempts = 1)
        .entity_with::<SlowStart>(move |_| SlowStart { sum: 0, stage: shared.clone() })
        .start()
        .await
        .unwrap();
    let entity = cluster.get::<SlowStart>("e");
    stage.let_on(1);
    assert_eq!(entity.add(1).await.unwrap(), 1);
    stage.arrived(1).await;
    bed.door.hold_commits();
    let adding = tokio::spawn(entity.add(10).into_future());
    soon(bed.door.commits_held(1)).await;
    let bursting = tokio::spawn(entity.burst().into_future());
    stage.noted(1).await;
    // The next instance is made of the state that is on its way.
    let reading = tokio::spawn(entity.sum().into_future());
    stage.arrived(1).await;
    bed.door.turn_away(refused());
    bed.door.release();
    let error = soon(adding).await.unwrap().unwrap_err();
    assert!(matches!(error, ClusterError::OutcomeUnknown { .. }), "{error:?}");
    // What it was built on is gone, and so is what its panic may have told of that.
    let error = soon(bursting).await.unwrap().unwrap_err();
    assert!(matches!(error, ClusterError::OutcomeUnknown { .. }), "{error:?}");
    stage.let_on(2);
    assert_eq!(soon(reading).await.unwrap().unwrap(), 1);
    assert_eq!(soon(entity.add(2).into_future()).await.unwrap(), 3);
    cluster.shutdown().await.unwrap();
}

/// Counts its living instances, and panics while it is dropped if so told.
#[derive(Entity)]
struct Fragile {
    living: Arc<AtomicI32>,
    breaks: bool,
}

impl Drop for Fragile {
    fn drop(&mut self) {
        // Long enough for an early successor to be seen.
        for _ in 0..1_000 {
            std::thread::yield_now();
        }
        self.living.fetch_sub(1, Ordering::SeqCst);
        assert!(!self.breaks, "dropped after a panic");
    }
}

#[entity]
impl Fragile {
    #[message]
    fn break_down(&mut self) {
        self.breaks = true;
        panic!("broken");
    }

    #[message]
    fn hello(&mut self) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_is_gone_before_its_successor_is_made_even_if_its_drop_panics() {
    let living = Arc::new(AtomicI32::new(0));
    let most = Arc::new(AtomicI32::new(0));
    let (now, peak) = (living.clone(), most.clone());
    let cluster = Cluster::builder()
        .entity_with::<Fragile>(move |_| {
            let living = now.fetch_add(1, Ordering::SeqCst) + 1;
            peak.fetch_max(living, Ordering::SeqCst);
            Fragile { living: now.clone(), breaks: false }
        })
        .start()
        .await
        .unwrap();
    let fragile = cluster.get::<Fragile>("f");
    let other = fragile.clone();
    let greeting = tokio::spawn(async move {
        for _ in 0..200 {
            other.hello().await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    for _ in 0..20 {
        defect(fragile.break_down(), "broken").await;
        fragile.hello().await.unwrap();
    }
    soon(greeting).await.unwrap();
    assert_eq!(most.load(Ordering::SeqCst), 1);
    cluster.shutdown().await.unwrap();
    until(|| living.load(Ordering::SeqCst) == 0).await;
}

/// Cannot always be encoded.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Moody(bool);

impl Serialize for Moody {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        assert!(!self.0, "in no mood to be encoded");
        serializer.serialize_bool(self.0)
    }
}

impl<'de> Deserialize<'de> for Moody {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Moody(bool::deserialize(deserializer)?))
    }
}

#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
struct Moods {
    mood: Moody,
}

#[entity]
impl Moods {
    #[message]
    fn set(&mut self, bad: bool) -> u32 {
        self.mood = Moody(bad);
        7
    }

    #[message(persisted)]
    async fn set_stored(&mut self, bad: bool) -> bool {
        self.mood = Moody(bad);
        bad
    }

    #[message(persisted)]
    fn show(&self, bad: bool) -> Moody {
        Moody(bad)
    }
}

// User code runs inside the codec too; its panic is a failure of that request alone.
async fn a_panic_while_encoding_is_the_failure_of_that_request_alone(bed: Bed) {
    let storage = bed.open().await;
    let cluster = Cluster::builder().storage(storage).entity::<Moods>().start().await.unwrap();
    let moods = cluster.get::<Moods>("m");
    let defect = |error: ClusterError| {
        assert!(matches!(error, ClusterError::Defect { .. }), "{error:?}");
    };
    for _ in 0..2 {
        defect(soon(moods.set(true).into_future()).await.unwrap_err());
        defect(soon(moods.set_stored(true).into_future()).await.unwrap_err());
        defect(soon(moods.show(true).into_future()).await.unwrap_err());
        // Queued, as others start them.
        let queued: Vec<_> =
            (0..20).map(|n| tokio::spawn(moods.set_stored(n % 2 == 0).into_future())).collect();
        for (n, ended) in queued.into_iter().enumerate() {
            match soon(ended).await.unwrap() {
                Ok(bad) => assert!(!bad && n % 2 == 1),
                Err(error) => defect(error),
            }
        }
        assert_eq!(soon(moods.set(false).into_future()).await.unwrap(), 7);
        assert_eq!(soon(moods.show(false).into_future()).await.unwrap(), Moody(false));
    }
    cluster.shutdown().await.unwrap();
}

backends!(
    a_panic_is_its_callers_defect_once_and_the_entity_serves_on on threads,
    a_dropped_or_failed_writer_rolls_back_only_what_is_stored on threads,
    a_panic_while_encoding_is_the_failure_of_that_request_alone on threads,
);
