//! Persisted calls that change durable state: `persisted-1`, `persisted-64`, `persisted-1024`,
//! `persisted-unkeyed-1024`, `persisted-hot`; and what their rows are to a server alone.

use bench_kit::drive::{Target, closed_loop};
use bench_kit::{Case, Counts, Lane, Run, lane};
use cluster::Config;
use cluster::prelude::*;

use crate::SYSTEM;
use crate::raw::{self, Keys, RawServer};
use crate::servers::{Mariadb, Postgresql, Server, counted};

/// The schemas and databases of these lanes.
const PLACE: &str = "bench";

#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
pub(crate) struct Counter {
    value: u64,
}

#[entity]
impl Counter {
    #[message(persisted)]
    pub(crate) fn add(&mut self, amount: u64) -> u64 {
        self.value += amount;
        self.value
    }

    #[message]
    fn value(&self) -> u64 {
        self.value
    }
}

/// Each call with a key of its own.
pub(crate) struct Keyed(CounterClient);

impl Target for Keyed {
    async fn ask(&self, operation: u64) {
        self.0.add(1).key(operation.to_string()).await.expect("the storage works");
    }
}

/// Each call without a key.
struct Unkeyed(CounterClient);

impl Target for Unkeyed {
    async fn ask(&self, _: u64) {
        self.0.add(1).await.expect("the storage works");
    }
}

/// The cases of this family, on every storage.
pub(crate) fn cases() -> Vec<Case> {
    let raw = |lane, keys| {
        let postgres = Postgresql::place(PLACE).map(|server| raw::case(lane, server, keys, sample));
        let mariadb = Mariadb::place(PLACE).map(|server| raw::case(lane, server, keys, sample));
        [postgres, mariadb].into_iter().flatten().collect::<Vec<Case>>()
    };
    [
        on_all_storages(lane::PERSISTED_1, Keyed),
        on_all_storages(lane::PERSISTED_64, Keyed),
        raw(lane::PERSISTED_64, Keys::Each),
        on_all_storages(lane::PERSISTED_1024, Keyed),
        raw(lane::PERSISTED_1024, Keys::Each),
        on_all_storages(lane::PERSISTED_UNKEYED_1024, Unkeyed),
        raw(lane::PERSISTED_UNKEYED_1024, Keys::None),
        on_all_storages(lane::PERSISTED_HOT, Keyed),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn on_all_storages<T: Target>(lane: Lane, target: fn(CounterClient) -> T) -> Vec<Case> {
    let sqlite = Case::durable(lane, SYSTEM, "sqlite", move |bench| {
        let file = bench.fresh_file("persisted.db");
        bench.block_on(async move {
            let storage = Sqlite::open(file).await.expect("the bench's folder is writable");
            asks(lane, storage, target).await
        })
    });
    let memory = Case::volatile(lane, SYSTEM, move |bench| {
        bench.block_on(asks(lane, MemoryStorage::default(), target))
    });
    let postgres = Postgresql::place(PLACE).map(|server| on_server(lane, server, target));
    let mariadb = Mariadb::place(PLACE).map(|server| on_server(lane, server, target));
    [Some(sqlite), Some(memory.on("memory")), postgres, mariadb].into_iter().flatten().collect()
}

fn on_server<S: Server, T: Target>(lane: Lane, server: S, target: fn(CounterClient) -> T) -> Case {
    let place = server.clone();
    Case::durable(lane, SYSTEM, S::STORAGE, move |bench| {
        let server = place.clone();
        bench.block_on(async move {
            server.clear().await;
            asks(lane, server.open(None).await, target).await
        })
    })
    .counted(move |bench| -> Counts {
        let server = server.counting();
        bench.block_on(async move {
            server.clear().await;
            // The tables are not the calls'.
            drop(server.open(None).await);
            let calls = async { asks(lane, server.open(None).await, target).await };
            counted(&server, calls).await
        })
    })
}

/// Lets each entity of the lanes be called once, with a key, in tables that were empty.
pub(crate) async fn sample<S: RawServer>(server: S) {
    server.clear().await;
    let cluster = start(server.open(None).await, |_| {}).await;
    for number in 0..lane::PERSISTED_64.entities {
        let key = format!("sample {number} of many");
        let call = cluster.get::<Counter>(number.to_string()).add(1).key(key);
        call.send().await.expect("the storage works");
    }
    // A call waits until those before it have ended.
    let calls = (0..lane::PERSISTED_64.entities).map(|number| {
        let client = cluster.get::<Counter>(number.to_string());
        async move { client.value().await.expect("the storage works") }
    });
    for call in calls {
        assert_eq!(call.await, 1, "each was called once");
    }
    cluster.shutdown().await.expect("the storage works");
}

/// The lane's calls in a cluster that has just started.
pub(crate) async fn asks<T: Target>(
    lane: Lane,
    storage: impl Storage,
    target: impl Fn(CounterClient) -> T,
) -> Run {
    let cluster = start(storage, |_| {}).await;
    let run = closed_loop(&lane, clients(&cluster, lane).map(target).collect()).await;
    cluster.shutdown().await.expect("the storage works");
    run
}

/// The clients of the lane's entities.
pub(crate) fn clients(cluster: &Cluster, lane: Lane) -> impl Iterator<Item = CounterClient> {
    (0..lane.entities).map(|number| cluster.get::<Counter>(number.to_string()))
}

/// A cluster of counters.
pub(crate) async fn start(storage: impl Storage, config: fn(&mut Config)) -> Cluster {
    let builder = Cluster::builder().storage(storage).config(config).entity::<Counter>();
    builder.start().await.expect("the storage works")
}
