//! Messages that arrive while entities are still being built are held and run; none becomes an
//! error.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cluster::prelude::*;
use tokio::spawn;

use crate::support::{Bed, Probe, backends, settle, until};

/// Needs a depot while it is built, and lives through every restart.
#[derive(Entity)]
struct Shop {
    #[state]
    sold: Vec<u32>,
    stock: u32,
    probe: Probe,
}

#[entity]
impl Shop {
    #[activate]
    async fn open(&mut self, ctx: &Context) -> Result<(), ClusterError> {
        ctx.keep_alive()?;
        self.probe.note("opening");
        self.stock = ctx.get::<Depot>("d").take(10).await?;
        self.probe.pass("open").await;
        Ok(())
    }

    #[message(persisted)]
    fn sell(&mut self, many: u32) -> u32 {
        self.sold.push(many);
        self.stock -= 1;
        many
    }

    #[message]
    fn sold(&self) -> Vec<u32> {
        self.sold.clone()
    }
}

/// Cannot be built at first, as if a service that it needs were still starting.
#[derive(Entity)]
struct Depot;

#[derive(Debug, thiserror::Error)]
#[error("not yet")]
struct NotYet;

#[entity]
impl Depot {
    #[message]
    fn take(&mut self, many: u32) -> u32 {
        many
    }
}

async fn start(bed: &Bed, probe: &Probe, failures: u32) -> Cluster {
    let (probe, failures) = (probe.clone(), Arc::new(AtomicU32::new(failures)));
    bed.start_impatient(move |builder| {
        builder
            .entity_with::<Shop>(move |_| Shop { sold: Vec::new(), stock: 0, probe: probe.clone() })
            // Registered behind those who call it while they are built.
            .try_entity_with::<Depot, NotYet>(move |_| {
                let left = failures.load(Ordering::SeqCst);
                failures.store(left.saturating_sub(1), Ordering::SeqCst);
                if left > 0 { Err(NotYet) } else { Ok(Depot) }
            })
    })
    .await
}

// proves: B99
async fn messages_of_entities_that_are_being_built_are_held_and_run(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe, 0).await;
    let shop = cluster.get::<Shop>("s");
    assert_eq!(shop.sell(0).await.unwrap(), 0);
    // Some are in the storage when the next process starts.
    probe.panic_at("open", 1_000);
    bed.door.hold_answers();
    let stored: Vec<_> = (1..4).map(|n| spawn(shop.sell(n).send().into_future())).collect();
    bed.door.answers_held(1).await;
    drop((shop, cluster));
    bed.door.release();
    for one in stored {
        let _ = one.await;
    }
    let before = probe.count("opening");
    probe.panic_at("open", 2);
    probe.close("open");
    let cluster = start(&bed, &probe, 3).await;
    // More come while it is built: awaited, handed over, and volatile ones.
    let shop = cluster.get::<Shop>("s");
    let mut calls = Vec::new();
    for n in 10..15 {
        let shop = shop.clone();
        calls.push(spawn(async move { shop.sell(n).await.unwrap() }));
        settle().await;
    }
    let receipt = shop.sell(15).send().await.unwrap();
    let reads = spawn({
        let shop = shop.clone();
        async move { shop.sold().await.unwrap() }
    });
    until(|| probe.count("open") >= 1 && probe.count("opening") >= before + 3).await;
    assert!(!reads.is_finished());
    probe.open("open");
    for (call, n) in calls.into_iter().zip(10..) {
        assert_eq!(call.await.unwrap(), n);
    }
    assert_eq!(receipt.outcome().await.unwrap(), 15);
    // Where among them it runs is nobody's promise.
    assert_eq!(reads.await.unwrap().first(), Some(&0));
    let sold = shop.sold().await.unwrap();
    assert_eq!(sold.first(), Some(&0));
    assert_eq!(sold[sold.len() - 6..], [10, 11, 12, 13, 14, 15]);
}

backends!(messages_of_entities_that_are_being_built_are_held_and_run);
