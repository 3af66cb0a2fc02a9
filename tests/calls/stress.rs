//! Everything at once on a few entities: quick, suspending, failing and abandoned calls, restarts
//! of instances, evictions. Nothing hangs, no change is lost or made twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use cluster::prelude::*;

use crate::helpers::Random;
use crate::support::{Bed, backends, poll_once, soon};

/// What the callers know of an entity's sum: calls that ended well count on both sides, abandoned
/// ones on one, where they may or may not have taken effect.
#[derive(Default)]
struct Bounds {
    least: AtomicI64,
    most: AtomicI64,
}

#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable, idle = "20ms")]
struct Kept {
    sum: i64,
}

#[derive(Entity, Default)]
#[entity(idle = "1h")]
struct Loose {
    sum: i64,
}

macro_rules! handlers {
    ($name:ident) => {
        #[entity]
        impl $name {
            #[message]
            fn add(&mut self, amount: i64) -> i64 {
                self.sum += amount;
                self.sum
            }

            #[message]
            async fn add_slowly(&mut self, amount: i64, awaits: u64) -> i64 {
                for _ in 0..awaits {
                    tokio::task::yield_now().await;
                }
                self.sum += amount;
                tokio::task::yield_now().await;
                self.sum
            }

            #[message]
            async fn refuse(&mut self, awaits: u64) -> Result<(), String> {
                for _ in 0..awaits {
                    tokio::task::yield_now().await;
                }
                Err("no".into())
            }

            #[message]
            async fn sum(&self, awaits: u64) -> i64 {
                for _ in 0..awaits {
                    tokio::task::yield_now().await;
                }
                self.sum
            }

            #[message]
            async fn through(
                &self,
                ctx: &Context,
                other: String,
            ) -> Result<i64, CallError<String>> {
                Ok(ctx.get::<$name>(other).sum(1).await?)
            }

            #[message(persisted)]
            async fn add_stored(&mut self, amount: i64) -> i64 {
                self.sum += amount;
                tokio::task::yield_now().await;
                self.sum
            }

            #[message]
            fn burst(&self) {
                panic!("on purpose");
            }
        }

        impl $name {
            /// One caller: makes a call of a random kind, abandons some of them.
            async fn call(cluster: &Cluster, random: &mut Random, bounds: &[Bounds]) {
                let number = random.below(bounds.len() as u64) as usize;
                let (entity, bounds) = (cluster.get::<$name>(number.to_string()), &bounds[number]);
                let (amount, awaits) = (1 + random.below(9) as i64, random.below(4));
                let polls = random.below(5);
                let certain = match random.below(9) {
                    0 => soon(entity.add(amount).into_future()).await.is_ok(),
                    1 => soon(entity.add_slowly(amount, awaits).into_future()).await.is_ok(),
                    2 => soon(entity.add_stored(amount).into_future()).await.is_ok(),
                    3 => {
                        let ended = soon(entity.refuse(awaits).into_future()).await;
                        return assert!(matches!(ended, Err(CallError::Entity(_))), "{ended:?}");
                    }
                    4 => {
                        soon(entity.sum(awaits).into_future()).await.unwrap();
                        return;
                    }
                    5 => {
                        // Never in a circle: readers that wait for each other behind writers would
                        // wait for ever.
                        let other = (number + 1).min(2);
                        let ended = soon(entity.through(other.to_string()).into_future()).await;
                        ended.unwrap();
                        return;
                    }
                    6 => {
                        let ended = soon(entity.burst().into_future()).await;
                        let defect = matches!(ended, Err(ClusterError::Defect { .. }));
                        return assert!(defect, "{ended:?}");
                    }
                    7 => abandon(entity.add_slowly(amount, awaits), polls).await,
                    _ => abandon(entity.add_stored(amount), polls).await,
                };
                bounds.most.fetch_add(amount, Ordering::SeqCst);
                if certain {
                    bounds.least.fetch_add(amount, Ordering::SeqCst);
                }
            }
        }
    };
}

handlers!(Kept);
handlers!(Loose);

/// Polls a call a few times and drops it; says whether it ended well before.
async fn abandon<C>(call: C, polls: u64) -> bool
where
    C: IntoFuture<Output = Result<i64, ClusterError>>,
    C::IntoFuture: Unpin,
{
    let mut call = call.into_future();
    for _ in 0..polls {
        if let std::task::Poll::Ready(ended) = poll_once(&mut call).await {
            return ended.is_ok();
        }
        tokio::task::yield_now().await;
    }
    false
}

async fn nothing_hangs_and_sums_stay_within_what_callers_know(bed: Bed) {
    let storage = bed.open().await;
    let cluster = Cluster::builder()
        .storage(storage)
        .entity::<Kept>()
        .entity::<Loose>()
        .start()
        .await
        .unwrap();
    let bounds = || -> Arc<[Bounds]> { (0..3).map(|_| Bounds::default()).collect() };
    let (kept, loose) = (bounds(), bounds());
    let callers: Vec<_> = (0..8)
        .map(|seed| {
            let (cluster, kept, loose) = (cluster.clone(), kept.clone(), loose.clone());
            tokio::spawn(async move {
                let mut random = Random::new(seed);
                for _ in 0..300 {
                    Kept::call(&cluster, &mut random, &kept).await;
                    Loose::call(&cluster, &mut random, &loose).await;
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    // Abandoned persisted requests run on: let them end.
    soon(cluster.caught_up()).await.unwrap();
    for number in 0..3 {
        let id = number.to_string();
        let (least, most) = known(&kept[number]);
        let sum = soon(cluster.get::<Kept>(&id).sum(0).into_future()).await.unwrap();
        assert!((least..=most).contains(&sum), "kept {id}: {sum} is not in {least}..={most}");
        let (least, most) = known(&loose[number]);
        let sum = soon(cluster.get::<Loose>(&id).sum(0).into_future()).await.unwrap();
        assert!((least..=most).contains(&sum), "loose {id}: {sum} is not in {least}..={most}");
    }
    cluster.shutdown().await.unwrap();
}

fn known(bounds: &Bounds) -> (i64, i64) {
    (bounds.least.load(Ordering::SeqCst), bounds.most.load(Ordering::SeqCst))
}

backends!(
    nothing_hangs_and_sums_stay_within_what_callers_know on threads,
);
