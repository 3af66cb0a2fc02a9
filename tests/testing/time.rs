//! Time that a test moves: what is due happens at its moment, and a runner's looks around cost no
//! steps.

use std::time::Duration;

use cluster::prelude::*;
use cluster::testing::{Fault, TestCluster};

use crate::support::{Bed, backends};

#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
struct Guest {
    visits: u32,
}

#[entity]
impl Guest {
    #[message(persisted)]
    fn visit(&mut self) -> u32 {
        self.visits += 1;
        self.visits
    }
}

async fn idle_cluster_has_nothing_to_stop_for(bed: Bed) {
    let cluster = TestCluster::new().storage(bed.open().await).entity::<Guest>().start().await;
    let guest = cluster.get::<Guest>("g");
    let receipt = guest.visit().send().await.unwrap();
    assert_eq!(receipt.outcome().await.unwrap(), 1);
    cluster.advance(Duration::from_secs(3_600)).await;
    assert_eq!(cluster.clock().next_timer(), None);
    assert_eq!(cluster.stats().resident_entities, 0, "it was idle, and was looked for");
    // Nobody stops on the way, but what has had its time is gone.
    cluster.advance(Duration::from_secs(48 * 3_600)).await;
    let gone = receipt.outcome().await;
    assert!(matches!(gone, Err(ClusterError::Retired { .. })), "{gone:?}");
    assert_eq!(guest.visit().await.unwrap(), 2);
    cluster.shutdown().await.unwrap();
}

/// A month has two and a half million seconds, and a renewal of the lease in each.
async fn a_month_is_a_few_renewals(bed: Bed) {
    let cluster = TestCluster::new().storage(bed.open().await).entity::<Guest>().start().await;
    let guest = cluster.get::<Guest>("g");
    let daily: Vec<_> = (1..=30_u64).map(|day| Duration::from_secs(day * 86_400)).collect();
    for after in &daily {
        guest.visit().after(*after).send().await.unwrap();
    }
    cluster.advance(Duration::from_secs(31 * 86_400)).await;
    assert_eq!(guest.visit().await.unwrap(), 31);
    let renewals = bed.door.calls("renew");
    assert!((30..300).contains(&renewals), "{renewals} renewals");
    assert_eq!(cluster.stats().lease_age, Duration::ZERO);
    cluster.shutdown().await.unwrap();
}

async fn time_stands_still_once_faults_are_healed(bed: Bed) {
    let faults = Fault::slow(1.0, Duration::from_secs(60));
    let builder = TestCluster::new().storage(bed.open().await).entity::<Guest>();
    let cluster = builder.faults(faults).start().await;
    let began = cluster.clock().now();
    let guest = cluster.get::<Guest>("g");
    assert_eq!(guest.visit().timeout(Duration::from_secs(3_600)).await.unwrap(), 1);
    let healed = cluster.clock().now();
    assert!(healed > began, "the storage was slow");
    cluster.heal().await;
    let stands = cluster.clock().now();
    assert_eq!(guest.visit().await.unwrap(), 2);
    cluster.settle().await;
    assert_eq!(cluster.clock().now(), stands);
    cluster.shutdown().await.unwrap();
}

backends!(
    idle_cluster_has_nothing_to_stop_for,
    a_month_is_a_few_renewals,
    time_stands_still_once_faults_are_healed,
);
