//! Reminders that become due while they are changed.

use std::time::Duration;

use cluster::prelude::*;

use crate::entities::{Clock, ClockRing, End, Order, order, rung, start};
use crate::support::{Bed, backends};

const SECOND: Duration = Duration::from_secs(1);

/// It waits in the mailbox behind the very handler that clears it or sets it anew: it never starts,
/// though it could before the commit is there.
// proves: B82
async fn one_that_waits_in_the_mailbox_is_replaced_with_the_commit(bed: Bed) {
    for change in [Order::Clear, Order::Once("new".into(), 60_000)] {
        let cluster = start(&bed).await;
        let clock = cluster.get::<Clock>("c");
        let old = order(&cluster, Order::Every("old".into(), 1_000)).await.unwrap();
        bed.probe.close("order");
        let ordered = bed.probe.count("order");
        let changed = clock.order(change, End::Ok).send().await.unwrap();
        bed.probe.wait_for("order", ordered + 1).await;
        bed.advance(2 * SECOND).await;
        bed.door.hold_commits();
        bed.probe.open("order");
        bed.door.commits_held(1).await;
        bed.advance(2 * SECOND).await;
        assert_eq!(bed.probe.count("old"), 0, "it does not run ahead of the commit");
        bed.door.release();
        changed.outcome().await.unwrap();
        bed.advance(5 * SECOND).await;
        assert_eq!(bed.probe.count("old"), 0);
        let ended = cluster.receipt::<ClockRing>(old).outcome().await.unwrap_err();
        assert!(matches!(ended, CallError::Cluster(ClusterError::Interrupted)), "{ended:?}");
    }
}

/// The handler that would have cleared it fails: it starts where it stands.
// proves: B82
async fn one_that_waits_in_the_mailbox_starts_when_the_change_fails(bed: Bed) {
    let cluster = start(&bed).await;
    let clock = cluster.get::<Clock>("c");
    order(&cluster, Order::Once("kept".into(), 1_000)).await.unwrap();
    bed.probe.close("order");
    let failing = clock.order(Order::Clear, End::Refuse).send().await.unwrap();
    bed.probe.wait_for("order", 2).await;
    bed.advance(2 * SECOND).await;
    bed.probe.open("order");
    bed.settle().await;
    failing.outcome().await.unwrap_err();
    assert_eq!(rung(&cluster).await, ["kept"]);
}

/// Many at once set, clear and run one reminder: as often as its handler has run to an outcome, it
/// is there.
// proves: B82
async fn in_a_crowd_nothing_comes_twice_or_after_its_end(bed: Bed) {
    let cluster = start(&bed).await;
    let clock = cluster.get::<Clock>("c");
    let mut set = Vec::new();
    for round in 0..100_i64 {
        let order = match round % 3 {
            2 => Order::Clear,
            // Due at once: it runs among the others, or is replaced by the next.
            _ => Order::At(format!("{round}"), 0),
        };
        set.push((round, clock.order(order, End::Ok).send().await.unwrap()));
    }
    let mut outcomes = Vec::new();
    for (round, receipt) in set {
        let id = receipt.outcome().await.unwrap();
        if let Some(id) = id {
            let id: RequestId = id.parse().unwrap();
            outcomes.push((round, cluster.receipt::<ClockRing>(id).outcome().await.is_ok()));
        }
    }
    let ran: Vec<String> =
        outcomes.iter().filter(|(_, ran)| *ran).map(|(round, _)| round.to_string()).collect();
    assert_eq!(rung(&cluster).await, ran, "those and only those have an outcome");
}

backends!(in_a_crowd_nothing_comes_twice_or_after_its_end on threads);

mod in_virtual_time {
    use super::*;

    backends!(in virtual time:
        one_that_waits_in_the_mailbox_is_replaced_with_the_commit,
        one_that_waits_in_the_mailbox_starts_when_the_change_fails,
    );
}
