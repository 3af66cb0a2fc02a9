//! Persisted calls that change durable state: `persisted-1`, `persisted-64`, `persisted-1024`,
//! `persisted-unkeyed-1024`, `persisted-hot`.

use bench_kit::drive::{Target, closed_loop};
use bench_kit::{Case, Lane, Run, lane};
use cluster::prelude::*;

use crate::{SYSTEM, servers};

#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
struct Counter {
    value: u64,
}

#[entity]
impl Counter {
    #[message(persisted)]
    fn add(&mut self, amount: u64) -> u64 {
        self.value += amount;
        self.value
    }
}

/// Each call with a key of its own.
struct Keyed(CounterClient);

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
    [
        on_all_storages(lane::PERSISTED_1, Keyed),
        on_all_storages(lane::PERSISTED_64, Keyed),
        on_all_storages(lane::PERSISTED_1024, Keyed),
        on_all_storages(lane::PERSISTED_UNKEYED_1024, Unkeyed),
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
    let mut cases = vec![sqlite, memory.on("memory")];
    cases.extend(servers::postgres_url().map(|url| {
        Case::durable(lane, SYSTEM, "postgres", move |bench| {
            let url = url.clone();
            bench.block_on(async move { asks(lane, servers::postgres(&url).await, target).await })
        })
    }));
    cases.extend(servers::mariadb_url().map(|url| {
        Case::durable(lane, SYSTEM, "mariadb", move |bench| {
            let url = url.clone();
            bench.block_on(async move { asks(lane, servers::mariadb(&url).await, target).await })
        })
    }));
    cases
}

async fn asks<T: Target>(lane: Lane, storage: impl Storage, target: fn(CounterClient) -> T) -> Run {
    let builder = Cluster::builder().storage(storage).entity::<Counter>();
    let cluster = builder.start().await.expect("the storage is new");
    let clients = (0..lane.entities).map(|number| cluster.get::<Counter>(number.to_string()));
    let run = closed_loop(&lane, clients.map(target).collect()).await;
    cluster.shutdown().await.expect("the storage works");
    run
}
