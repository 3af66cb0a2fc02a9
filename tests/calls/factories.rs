//! Entities that cannot be made at once.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use cluster::prelude::*;
use cluster::storage::Storage;
use cluster::testing::TestCluster;
use cluster::time::VirtualClock;

use crate::support::{Bed, backends, poll_once, soon, until};

#[derive(Entity)]
struct Made {
    seen: Vec<String>,
}

#[entity]
impl Made {
    #[message]
    fn volatile(&mut self, name: String) -> usize {
        self.seen.push(name);
        self.seen.len()
    }

    #[message(persisted)]
    async fn persisted(&mut self, name: String) -> usize {
        self.seen.push(name);
        self.seen.len()
    }

    #[message]
    fn seen(&self) -> Vec<String> {
        self.seen.clone()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the service is down")]
struct Down;

/// A factory that fails for the id `f` as often as told, and when it was asked.
#[derive(Clone)]
struct Factory {
    fails: Arc<AtomicI64>,
    asked_ms: Arc<Mutex<Vec<u64>>>,
    clock: Arc<Mutex<Option<Arc<VirtualClock>>>>,
}

impl Factory {
    fn failing(times: i64) -> Self {
        let fails = Arc::new(AtomicI64::new(times));
        Factory { fails, asked_ms: Arc::default(), clock: Arc::default() }
    }

    fn make(&self, id: &EntityId) -> Result<Made, Down> {
        if id.as_str() != "f" {
            return Ok(Made { seen: vec![] });
        }
        if let Some(clock) = &*self.clock.lock().unwrap() {
            self.asked_ms.lock().unwrap().push(clock.now().as_nanos() / 1_000_000);
        }
        match self.fails.fetch_sub(1, Ordering::SeqCst) {
            left if left > 1 && left % 2 == 0 => panic!("the factory itself"),
            left if left > 0 => Err(Down),
            _ => Ok(Made { seen: vec![] }),
        }
    }

    fn asked_ms(&self) -> Vec<u64> {
        self.asked_ms.lock().unwrap().clone()
    }
}

async fn start(storage: Arc<dyn Storage>, factory: &Factory) -> TestCluster {
    let making = factory.clone();
    let cluster = TestCluster::new()
        .storage(storage)
        .with(move |builder| {
            let making = making.clone();
            builder.try_entity_with::<Made, _>(move |id| making.make(id))
        })
        .start()
        .await;
    *factory.clock.lock().unwrap() = Some(cluster.clock().clone());
    cluster
}

// proves: B70
async fn a_failing_factory_is_tried_again_and_its_messages_stay_in_order(bed: Bed) {
    let storage = bed.open().await;
    let factory = Factory::failing(4);
    let cluster = start(storage, &factory).await;
    let made = cluster.get::<Made>("f");
    let limit = Duration::from_secs(3_600);
    let mut first = made.volatile("0".into()).timeout(limit).into_future();
    assert!(poll_once(&mut first).await.is_pending());
    let mut volatile = Vec::new();
    let mut receipts = Vec::new();
    for number in 1..=20 {
        if number % 2 == 0 {
            let mut call = made.volatile(number.to_string()).timeout(limit).into_future();
            assert!(poll_once(&mut call).await.is_pending());
            volatile.push(call);
        } else {
            let sending = made.persisted(number.to_string()).send();
            receipts.push(soon(sending.into_future()).await.unwrap());
            cluster.settle().await;
        }
    }
    // Others are served meanwhile.
    let other = cluster.get::<Made>("other");
    assert_eq!(other.volatile("x".into()).await.unwrap(), 1);
    assert_eq!(factory.asked_ms(), [0]);
    for after in [100, 200, 400] {
        cluster.advance(Duration::from_millis(after - 1)).await;
        let before = factory.asked_ms().len();
        cluster.advance(Duration::from_millis(1)).await;
        until(|| factory.asked_ms().len() > before).await;
        assert_eq!(other.seen().await.unwrap(), ["x"]);
    }
    assert_eq!(factory.asked_ms(), [0, 100, 300, 700]);
    cluster.advance(Duration::from_millis(800)).await;
    assert_eq!(soon(first).await.unwrap(), 1);
    for (at, call) in volatile.into_iter().enumerate() {
        assert_eq!(soon(call).await.unwrap(), 2 * at + 3);
    }
    for receipt in receipts {
        soon(receipt.outcome()).await.unwrap();
    }
    let all: Vec<String> = (0..=20).map(|number| number.to_string()).collect();
    assert_eq!(made.seen().await.unwrap(), all, "in order, and none is lost");
    assert_eq!(factory.asked_ms(), [0, 100, 300, 700, 1_500]);
    cluster.shutdown().await.unwrap();
}

// What nobody waits for is not tried for ever, and holds no place in memory.
#[tokio::test]
async fn an_entity_that_nobody_waits_for_is_not_tried_again() {
    let factory = Factory::failing(1_000);
    let cluster = start(crate::helpers::memory(), &factory).await;
    let made = cluster.get::<Made>("f");
    let mut dropped = made.volatile("x".into()).into_future();
    assert!(poll_once(&mut dropped).await.is_pending());
    assert_eq!(cluster.stats().resident_entities, 1, "its place is kept while it is tried");
    drop(dropped);
    cluster.advance(Duration::from_secs(3_600)).await;
    assert_eq!(factory.asked_ms(), [0]);
    assert_eq!(cluster.stats().resident_entities, 0);
    let error = made.volatile("y".into()).timeout(Duration::from_millis(1));
    let mut call = error.into_future();
    assert!(poll_once(&mut call).await.is_pending());
    assert_eq!(factory.asked_ms().len(), 2, "asked for again, it is tried again");
    cluster.advance(Duration::from_millis(1)).await;
    assert!(matches!(soon(call).await, Err(ClusterError::Timeout { .. })));
}

#[tokio::test]
async fn a_failing_factory_holds_up_no_shutdown() {
    let factory = Factory::failing(1_000);
    let cluster = start(crate::helpers::memory(), &factory).await;
    let made = cluster.get::<Made>("f");
    let mut call = made.volatile("x".into()).into_future();
    assert!(poll_once(&mut call).await.is_pending());
    let receipt = made.persisted("y".into()).send().await.unwrap();
    cluster.settle().await;
    // Time stands still, so this ends at once or never.
    soon(cluster.shutdown()).await.unwrap();
    assert!(matches!(soon(call).await, Err(ClusterError::ShuttingDown)));
    let found = cluster.storage().clone();
    use cluster::storage::MessageStorage;
    let found = found.find_requests(vec![receipt.id()]).await.unwrap();
    assert!(found[0].as_ref().is_some_and(|found| found.outcome.is_none()), "it stays stored");
}

backends!(a_failing_factory_is_tried_again_and_its_messages_stay_in_order);
