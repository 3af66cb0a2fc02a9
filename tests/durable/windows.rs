//! With nothing configured, what is finished goes after its time, by class, and nothing else ever
//! goes.

use cluster::prelude::*;
use cluster::{EntityOptions, Progress};
use futures_util::StreamExt;

use crate::entities::{Counter, CounterAdd, Desk};
use crate::support::{Bed, Probe, backends};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

#[derive(Default)]
struct Sum;

#[workflow(name = "sum", version = 1)]
impl Sum {
    #[run]
    async fn sum(&self, a: i64, b: i64) -> Result<i64, Never> {
        self.add(a, b).await
    }

    #[step]
    async fn add(&self, a: i64, b: i64) -> Result<i64, Never> {
        Ok(a + b)
    }
}

#[derive(Debug, Clone, thiserror::Error, Serialize, Deserialize)]
#[error("never")]
struct Never;

/// Whether a request is still stored.
async fn is_there(cluster: &Cluster, id: RequestId) -> bool {
    let storage = cluster.receipt::<CounterAdd>(id).outcome().await;
    !matches!(storage, Err(ClusterError::Retired { .. }))
}

/// Dead letters and holds.
async fn unfinished(cluster: &Cluster) -> (usize, usize) {
    (cluster.dead_letters().list().count().await, cluster.holds().list().count().await)
}

// proves: B111
async fn what_is_finished_goes_by_its_class_and_nothing_else_goes(bed: Bed) {
    let probe = Probe::default();
    let desks = probe.clone();
    let cluster = bed
        .start_impatient(|builder| builder.entity_with::<Desk>(move |_| Desk::new(&desks)))
        .await;
    probe.close("held");
    cluster.get::<Desk>("d").file("held".into()).send().await.unwrap();
    drop(cluster);

    // Nobody hosts desks any more.
    let cluster = bed
        .start(|builder| {
            let once = EntityOptions { attempts: Some(1), ..EntityOptions::DEFAULT };
            let desks = probe.clone();
            builder
                .entity::<Counter>()
                .workflow::<Sum>()
                .entity_with::<dying::Desk>(move |_| dying::Desk { probe: desks.clone() })
                .options::<dying::Desk>(once)
        })
        .await;
    let counter = cluster.get::<Counter>("c");
    let scheduled = counter.add(1).after(100 * DAY).send().await.unwrap().id();
    cluster.get::<dying::Desk>("d").die().send().await.unwrap();
    counter.add(1).await.unwrap();
    let awaited = bed.door.last_accepted(cluster::storage::RetentionClass::Awaited);
    let sent = counter.add(1).send().await.unwrap();
    sent.outcome().await.unwrap();
    let keyed = counter.add(1).key("k").send().await.unwrap();
    keyed.outcome().await.unwrap();
    let sums = cluster.workflow::<Sum>();
    let sum = sums.start(1, 2).key("k").await.unwrap();
    assert_eq!(sum.result().await.unwrap(), 3);
    bed.settle().await;
    assert_eq!(unfinished(&cluster).await, (1, 1));

    let mut passed = Duration::ZERO;
    let looks: [(Duration, [bool; 4]); 8] = [
        (9 * MINUTE, [true, true, true, true]),
        (11 * MINUTE, [false, true, true, true]),
        (59 * MINUTE, [false, true, true, true]),
        (61 * MINUTE, [false, false, true, true]),
        (23 * HOUR, [false, false, true, true]),
        (25 * HOUR, [false, false, false, true]),
        (7 * DAY - HOUR, [false, false, false, true]),
        (7 * DAY + HOUR, [false, false, false, false]),
    ];
    for (at, expected) in looks {
        bed.advance(at - passed).await;
        passed = at;
        let there = [
            is_there(&cluster, awaited).await,
            is_there(&cluster, sent.id()).await,
            is_there(&cluster, keyed.id()).await,
            matches!(sum.poll().await.unwrap(), Progress::Finished(Ok(3))),
        ];
        assert_eq!(there, expected, "after {at:?}");
        assert_eq!(unfinished(&cluster).await, (1, 1), "after {at:?}");
    }
    assert_eq!(counter.value().await.unwrap(), 3);
    bed.advance(100 * DAY - passed).await;
    assert_eq!(cluster.receipt::<CounterAdd>(scheduled).outcome().await.unwrap(), 4);
    assert_eq!(unfinished(&cluster).await, (1, 1));
    // The keys are forgotten with their requests.
    let again = sums.start(1, 3).key("k").await.unwrap();
    assert_eq!(again.result().await.unwrap(), 4);
}

mod dying {
    use super::*;

    #[derive(Entity)]
    pub(super) struct Desk {
        pub(super) probe: Probe,
    }

    #[entity(name = "Dying")]
    impl Desk {
        #[message(persisted)]
        pub(super) fn die(&mut self) {
            self.probe.note("die");
            panic!("as it shall");
        }
    }
}

backends!(in virtual time: what_is_finished_goes_by_its_class_and_nothing_else_goes);
