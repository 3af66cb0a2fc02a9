//! What is given with a type: as it was declared, unless registration says otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cluster::prelude::*;
use cluster::{Cluster, EntityOptions};
use tokio::spawn;

use crate::support::{Bed, is_waiting, settle, soon};
use crate::witness::Gate;

/// An entity with every option.
#[derive(Entity)]
#[entity(mailbox = 2, idle = "50ms", concurrency = 2, attempts = 2, group = "declared")]
struct Shop {
    gate: Gate,
    runs: Arc<AtomicU32>,
}

#[entity]
impl Shop {
    #[message]
    async fn block(&mut self) {
        self.gate.pass().await;
    }

    #[message]
    async fn look(&self) {
        self.runs.fetch_add(1, Ordering::SeqCst);
        self.gate.pass().await;
    }

    #[message(persisted)]
    fn panic(&mut self) {
        self.runs.fetch_add(1, Ordering::SeqCst);
        panic!("told to panic");
    }
}

struct Open {
    bed: Bed,
    cluster: Cluster,
    gate: Gate,
    runs: Arc<AtomicU32>,
}

async fn open(options: Option<EntityOptions>) -> Open {
    let bed = Bed::memory().with_virtual_time();
    let (gate, runs) = (Gate::default(), Arc::new(AtomicU32::new(0)));
    let parts = (gate.clone(), runs.clone());
    let factory = move |_: &EntityId| Shop { gate: parts.0.clone(), runs: parts.1.clone() };
    let cluster = bed
        .start(|builder| {
            let builder = builder.entity_with::<Shop>(factory);
            let options = options.into_iter();
            options.fold(builder, |builder, options| builder.options::<Shop>(options))
        })
        .await;
    Open { bed, cluster, gate, runs }
}

/// What a shop does when it is called too much: how many may wait, how many look at once, how often
/// a panic is tried, and whether it is gone after 150 ms.
async fn limits(options: Option<EntityOptions>) -> (usize, u32, u32, bool) {
    let Open { bed, cluster, gate, runs } = open(options).await;
    let full = cluster.get::<Shop>("full");
    let mut blocked = Box::pin(full.block().into_future());
    assert!(is_waiting(&mut blocked).await);
    let mut waiting = 0;
    while full.block().send().await.is_ok() {
        waiting += 1;
    }
    let looked = cluster.get::<Shop>("looked");
    let looks: Vec<_> = (0..5)
        .map(|_| {
            let looked = looked.clone();
            spawn(async move { looked.look().await })
        })
        .collect();
    settle().await;
    let together = runs.swap(0, Ordering::SeqCst);
    gate.open();
    soon(blocked).await.unwrap();
    for look in looks {
        // Where the mailbox is small some find no room.
        let _ = soon(look).await.unwrap();
    }
    runs.store(0, Ordering::SeqCst);
    let broken = cluster.get::<Shop>("broken");
    let (defect, _) = bed.advance_until(broken.panic().into_future()).await;
    let tried = runs.load(Ordering::SeqCst);
    assert!(
        matches!(defect, Err(ClusterError::Defect { attempts, .. }) if attempts == tried),
        "{defect:?}"
    );
    bed.advance(Duration::from_millis(150)).await;
    (waiting, together, tried, cluster.stats().resident_entities == 0)
}

// proves: B10
#[tokio::test]
async fn options_apply_as_declared() {
    assert_eq!(limits(None).await, (2, 2, 2, true));
}

// proves: B10
#[tokio::test]
async fn options_given_at_registration_win() {
    let given = EntityOptions {
        mailbox: Some(3),
        idle: Some(Duration::from_secs(1_000)),
        concurrency: Some(4),
        attempts: Some(3),
        ..EntityOptions::DEFAULT
    };
    assert_eq!(limits(Some(given)).await, (3, 4, 3, false));
    // What is not given stays as declared.
    let given = EntityOptions { attempts: Some(1), ..EntityOptions::DEFAULT };
    assert_eq!(limits(Some(given)).await, (2, 2, 1, true));
}

// proves: B10
#[tokio::test]
async fn the_shard_group_applies_as_declared_unless_another_is_given() {
    let group = |shard: cluster::ShardId| shard.as_u32() >> 16;
    let bed = Bed::memory();
    let declared = open(None).await.cluster.shard_of::<Shop>("s").unwrap();
    let other = bed.start(|builder| builder.entity::<Plain>().entity::<Other>()).await;
    let (plain, same) = (other.shard_of::<Plain>("s"), other.shard_of::<Other>("s"));
    assert_eq!(plain.unwrap(), same.unwrap());
    drop(other);
    let options = EntityOptions { group: Some("given"), ..EntityOptions::DEFAULT };
    let moved = bed
        .start(|builder| builder.entity::<Plain>().entity::<Other>().options::<Other>(options))
        .await;
    let plain = moved.shard_of::<Plain>("s").unwrap();
    let given = moved.shard_of::<Other>("s").unwrap();
    assert_ne!(group(plain), group(given));
    // The hash is the same in every group.
    assert_eq!(declared.as_u32() & 0xffff, given.as_u32() & 0xffff);
}

#[derive(Entity, Default)]
struct Plain;

#[entity]
impl Plain {
    #[message]
    fn touch(&self) {}
}

#[derive(Entity, Default)]
struct Other;

#[entity]
impl Other {
    #[message]
    fn touch(&self) {}
}
