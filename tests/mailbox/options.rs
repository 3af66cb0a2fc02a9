//! What is given with a type, with a call and with a cluster, and what a cluster tells of itself.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cluster::prelude::*;
use cluster::{Cluster, EntityOptions};
use tokio::spawn;

use crate::support::{Bed, Gate, backends, is_waiting, settle, watched};

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
    watched(blocked).await.unwrap();
    for look in looks {
        // Where the mailbox is small some find no room.
        let _ = watched(look).await.unwrap();
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

/// An entity that counts, and reads and hands on headers.
#[derive(Entity)]
struct Desk {
    #[state]
    seen: Vec<String>,
    service: &'static str,
    /// Beside the state: as the factory makes it.
    calls: u32,
    gate: Gate,
}

#[entity]
impl Desk {
    #[message(persisted)]
    async fn stamp(&mut self, ctx: &Context) -> u32 {
        self.gate.pass().await;
        self.calls += 1;
        let tenant = ctx.header("tenant").unwrap_or("none");
        self.seen.push(format!("{} {tenant}", self.service));
        self.calls
    }

    #[message]
    fn tenant(&self, ctx: &Context) -> Option<String> {
        ctx.header("tenant").map(str::to_owned)
    }

    #[message]
    fn seen(&self) -> Vec<String> {
        self.seen.clone()
    }
}

async fn furnish(bed: &Bed, service: &'static str, gate: &Gate) -> Cluster {
    let gate = gate.clone();
    let factory =
        move |_: &EntityId| Desk { seen: Vec::new(), service, calls: 0, gate: gate.clone() };
    let watchman = |call: &CallInfo<'_>| match call.header("tenant") {
        Some("evil") if call.message() == "stamp" => Err(Refused::new("no evil stamps")),
        _ if call.entity_id().as_str() == "locked" => Err(Refused::new("locked")),
        _ if call.entity_type() != "Desk" => Err(Refused::new("no desk")),
        _ => Ok(()),
    };
    bed.start(|builder| builder.entity_with::<Desk>(factory).filter(watchman)).await
}

// proves: B11
async fn only_the_state_field_is_stored(bed: Bed) {
    let gate = Gate::default();
    gate.open();
    let cluster = furnish(&bed, "first", &gate).await;
    let desk = cluster.get::<Desk>("d");
    assert_eq!(watched(desk.stamp()).await.unwrap(), 1);
    assert_eq!(watched(desk.stamp()).await.unwrap(), 2);
    cluster.shutdown().await.unwrap();
    drop((cluster, desk));

    let cluster = furnish(&bed, "second", &gate).await;
    let desk = cluster.get::<Desk>("d");
    assert_eq!(watched(desk.seen()).await.unwrap(), ["first none", "first none"]);
    assert_eq!(watched(desk.stamp()).await.unwrap(), 1);
    assert_eq!(watched(desk.seen()).await.unwrap().last().unwrap(), "second none");
}

// proves: B241
async fn headers_are_read_in_the_handler_and_stored_with_the_request(bed: Bed) {
    let gate = Gate::default();
    let cluster = furnish(&bed, "first", &gate).await;
    let desk = cluster.get::<Desk>("d");
    assert_eq!(desk.tenant().header("tenant", "acme").await.unwrap().as_deref(), Some("acme"));
    assert_eq!(desk.tenant().await.unwrap(), None);
    let stamp = desk.stamp().header("tenant", "acme").header("trace", "t");
    stamp.send().await.unwrap();
    desk.stamp().send().await.unwrap();
    drop((cluster, desk));

    // The process has ended before the handlers did; the headers come from the storage.
    gate.open();
    let cluster = furnish(&bed, "second", &gate).await;
    watched(cluster.caught_up()).await.unwrap();
    let seen = cluster.get::<Desk>("d").seen().await.unwrap();
    assert_eq!(seen, ["second acme", "second none"]);
}

// proves: B243
async fn a_filter_refuses_by_type_message_and_headers(bed: Bed) {
    let gate = Gate::default();
    gate.open();
    let cluster = furnish(&bed, "first", &gate).await;
    let desk = cluster.get::<Desk>("d");
    let why = |error: ClusterError| match error {
        ClusterError::Refused(refused) => refused.to_string(),
        other => panic!("{other:?}"),
    };
    let refused = desk.stamp().header("tenant", "evil").await.unwrap_err();
    assert!(why(refused).contains("no evil stamps"));
    let refused = desk.stamp().header("tenant", "evil").send().await.unwrap_err();
    assert!(why(refused).contains("no evil stamps"));
    let locked = cluster.get::<Desk>("locked");
    assert!(why(locked.tenant().await.unwrap_err()).contains("locked"));
    assert!(why(locked.tenant().send().await.unwrap_err()).contains("locked"));
    cluster.caught_up().await.unwrap();
    // Nothing was made, run or stored.
    assert_eq!(cluster.stats().resident_entities, 0);
    assert_eq!(desk.tenant().header("tenant", "evil").await.unwrap().as_deref(), Some("evil"));
    assert!(desk.seen().await.unwrap().is_empty());
    drop((cluster, desk, locked));
    let storage = bed.open().await;
    assert_eq!(storage.highest_seq().await.unwrap(), cluster::id::Seq::default());
}

// proves: B252
async fn a_cluster_tells_the_truth_of_itself(bed: Bed) {
    let cluster = bed.start(|builder| builder.entity::<Plain>().entity::<Number>()).await;
    let shards: HashSet<_> =
        (0..1_000).map(|n| cluster.shard_of::<Plain>(n.to_string()).unwrap()).collect();
    assert!(shards.len() > 200 && shards.len() <= 256, "{}", shards.len());
    let plain = cluster.shard_of::<Plain>("a").unwrap();
    assert_eq!(plain, cluster.shard_of::<Plain>("a").unwrap());
    assert!(cluster.owns::<Plain>("a") && !cluster.is_shutting_down());
    let stranger = cluster.shard_of::<Other>("a");
    assert!(matches!(stranger, Err(ClusterError::NotAssigned { .. })), "{stranger:?}");
    assert!(!cluster.owns::<Other>("a"));

    let ids: Vec<_> = (0..10_000).map(|_| cluster.snowflake()).collect();
    assert!(ids.is_sorted_by(|one, next| one < next), "ids do not grow");
    let machines: HashSet<_> = ids.iter().map(|id| id.machine()).collect();
    assert_eq!(machines.len(), 1);

    assert_eq!(cluster.stats().resident_entities, 0);
    for id in ["a", "b", "c"] {
        cluster.get::<Number>(id).add(1).await.unwrap();
    }
    cluster.get::<Plain>("a").touch().await.unwrap();
    let stats = cluster.stats();
    assert_eq!(stats.resident_entities, 4);
    let types: Vec<_> =
        stats.types.iter().map(|one| (one.entity_type.to_string(), one.records)).collect();
    assert_eq!(types, [("Number".to_owned(), 3), ("Plain".to_owned(), 1)]);

    cluster.shutdown().await.unwrap();
    assert!(cluster.is_shutting_down() && !cluster.owns::<Plain>("a"));
    assert_eq!(cluster.stats().resident_entities, 0);
    let last = *ids.last().unwrap();
    drop(cluster);
    let cluster = bed.start(|builder| builder.entity::<Plain>()).await;
    assert!(cluster.snowflake() != last && !ids.contains(&cluster.snowflake()));
}

#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
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
}

backends!(
    only_the_state_field_is_stored,
    headers_are_read_in_the_handler_and_stored_with_the_request,
    a_filter_refuses_by_type_message_and_headers,
    a_cluster_tells_the_truth_of_itself,
);
