//! Entities by number: `idle-memory`, `activate`.

use bench_kit::drive::{idle, once_each};
use bench_kit::{Case, Run, lane};
use cluster::prelude::*;

use crate::SYSTEM;

#[derive(Entity, Default)]
struct Counter {
    value: u64,
}

#[entity]
impl Counter {
    #[message]
    fn add(&mut self, amount: u64) -> u64 {
        self.value += amount;
        self.value
    }
}

/// The cases of this family.
pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::memory(lane::IDLE_MEMORY, SYSTEM, |bench| bench.block_on(idles())),
        Case::volatile(lane::ACTIVATE, SYSTEM, |bench| bench.block_on(activations())),
    ]
}

async fn idles() -> Run {
    let cluster = start().await;
    let entities = lane::IDLE_MEMORY.entities;
    let (run, _) = idle(entities, |number| first_call(&cluster, number.to_string().into())).await;
    assert_eq!(cluster.stats().resident_entities, entities as usize, "all are in memory");
    cluster.shutdown().await.expect("memory works");
    run
}

async fn activations() -> Run {
    let cluster = start().await;
    let ids: Vec<EntityId> = (0..lane::ACTIVATE.entities).map(|id| id.to_string().into()).collect();
    let (run, _) = once_each(ids.into_iter(), |id| first_call(&cluster, id)).await;
    cluster.shutdown().await.expect("memory works");
    run
}

async fn start() -> Cluster {
    Cluster::builder().entity::<Counter>().start().await.expect("memory works")
}

async fn first_call(cluster: &Cluster, id: EntityId) {
    cluster.get::<Counter>(id).add(1).await.expect("the cluster runs");
}
