//! How often a persisted request is tried, and how long it waits: as the cluster, its entity type
//! or its message says, the nearest first.

use std::sync::{Arc, Mutex, OnceLock};

use cluster::Receipt;
use cluster::prelude::*;
use cluster::storage::Storage;
use cluster::testing::TestCluster;
use cluster::time::{Timestamp, VirtualClock};
use cluster::{Config, EntityOptions};

use crate::support::{on_each_storage, soon, until};

type Times = Arc<Mutex<Vec<Timestamp>>>;

/// Notes when its handlers are tried; all fail.
#[derive(Entity)]
#[entity(attempts = 3, backoff_min = "1s", backoff_max = "1s")]
struct Typed {
    times: Times,
    clock: Arc<OnceLock<Arc<VirtualClock>>>,
}

impl Typed {
    fn fail(&self) -> ! {
        self.times.lock().unwrap().push(self.clock.get().unwrap().wall());
        panic!("it always fails")
    }
}

#[entity]
impl Typed {
    #[message(persisted)]
    fn as_its_type(&mut self) {
        self.fail();
    }

    #[message(persisted, attempts = 4, backoff_min = "10s", backoff_max = "20s")]
    fn as_itself(&mut self) {
        self.fail();
    }

    #[message(persisted, backoff_min = "2m")]
    fn longer_than_the_longest(&mut self) {
        self.fail();
    }

    #[message(persisted, on_panic = "defect")]
    fn once(&mut self) {
        self.fail();
    }
}

/// Follows a request that was sent through its tries to its end: with these pauses in seconds
/// between them, and no more.
async fn follow<M>(cluster: &TestCluster, times: &Times, sent: Receipt<M>, pauses: &[u64])
where
    M: cluster::__private::Message,
    <M::Outcome as cluster::__private::Outcome>::Reply: IsDefect,
{
    let tries = || times.lock().unwrap().len();
    until(|| tries() == 1).await;
    for (before, pause) in pauses.iter().enumerate() {
        cluster.advance(Duration::from_secs(*pause)).await;
        until(|| tries() == before + 2).await;
    }
    assert!(soon(sent.outcome()).await.is_defect());
    let times = std::mem::take(&mut *times.lock().unwrap());
    let pause = |pair: &[Timestamp]| pair[1].since(pair[0]);
    let seconds = pauses.iter().map(|pause| Duration::from_secs(*pause));
    assert!(times.windows(2).map(pause).eq(seconds), "{times:?}");
}

trait IsDefect {
    fn is_defect(&self) -> bool;
}

impl IsDefect for Result<(), ClusterError> {
    fn is_defect(&self) -> bool {
        matches!(self, Err(ClusterError::Defect { .. }))
    }
}

async fn start(
    storage: Arc<dyn Storage>,
    options: EntityOptions,
    config: fn(&mut Config),
) -> (TestCluster, Times) {
    let (times, clock) = (Times::default(), Arc::new(OnceLock::new()));
    let parts = (times.clone(), clock.clone());
    let cluster = TestCluster::new()
        .storage(storage)
        .entity_with::<Typed>(move |_| Typed { times: parts.0.clone(), clock: parts.1.clone() })
        .with(move |builder| builder.options::<Typed>(options).config(config))
        .start()
        .await;
    clock.set(cluster.clock().clone()).unwrap();
    (cluster, times)
}

// proves: B10
on_each_storage!(the_policy_of_a_message_its_type_and_the_cluster_apply);
async fn the_policy_of_a_message_its_type_and_the_cluster_apply(storage: Arc<dyn Storage>) {
    let (cluster, times) = start(storage, EntityOptions::DEFAULT, |config| {
        config.attempts = 7;
        config.backoff_max = Duration::from_secs(90);
    })
    .await;
    let typed = cluster.get::<Typed>("t");
    follow(&cluster, &times, typed.as_its_type().send().await.unwrap(), &[1, 1]).await;
    follow(&cluster, &times, typed.as_itself().send().await.unwrap(), &[10, 20, 20]).await;
    // A first wait that is longer than the type's longest is meant.
    follow(&cluster, &times, typed.longer_than_the_longest().send().await.unwrap(), &[120, 120])
        .await;
    follow(&cluster, &times, typed.once().send().await.unwrap(), &[]).await;
}

// proves: B10
on_each_storage!(what_is_given_at_registration_wins_over_the_type_and_not_over_the_message);
async fn what_is_given_at_registration_wins_over_the_type_and_not_over_the_message(
    storage: Arc<dyn Storage>,
) {
    let given = EntityOptions {
        attempts: Some(2),
        backoff_min: Some(Duration::from_secs(5)),
        backoff_max: Some(Duration::from_secs(6)),
        ..EntityOptions::DEFAULT
    };
    let (cluster, times) = start(storage, given, |_| {}).await;
    let typed = cluster.get::<Typed>("t");
    follow(&cluster, &times, typed.as_its_type().send().await.unwrap(), &[5]).await;
    follow(&cluster, &times, typed.as_itself().send().await.unwrap(), &[10, 20, 20]).await;
}
