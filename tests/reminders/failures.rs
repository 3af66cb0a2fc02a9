//! What a handler says of reminders holds with its outcome, and not at all without.

use std::time::Duration;

use cluster::prelude::*;
use cluster::storage::{Fault, Write};

use crate::entities::{Clock, End, Order, Refusal, order, rung, start};
use crate::support::{Bed, backends};

const SECOND: Duration = Duration::from_secs(1);

// proves: B82
async fn an_error_sets_and_clears_nothing(bed: Bed) {
    let cluster = start(&bed).await;
    let clock = cluster.get::<Clock>("c");
    let refused = clock.order(Order::Every("never".into(), 1_000), End::Refuse).await;
    assert!(matches!(refused, Err(CallError::Entity(Refusal))), "{refused:?}");
    bed.advance(5 * SECOND).await;
    assert_eq!(rung(&cluster).await, [""; 0]);

    order(&cluster, Order::Every("kept".into(), 1_000)).await;
    for change in [Order::Clear, Order::Once("never".into(), 10)] {
        let refused = clock.order(change, End::Refuse).await;
        assert!(matches!(refused, Err(CallError::Entity(Refusal))), "{refused:?}");
    }
    bed.advance(3 * SECOND).await;
    assert_eq!(rung(&cluster).await, ["kept"; 3]);
}

/// Three runs of one request set one reminder: that of the run which has the outcome.
// proves: B82
async fn a_panic_and_trouble_set_nothing(bed: Bed) {
    let cluster = start(&bed).await;
    bed.probe.panic_at("order", 1);
    bed.probe.trouble_at("order", 1);
    let clock = cluster.get::<Clock>("c");
    let call = clock.order(Order::Once("once".into(), 60_000), End::Ok).send();
    let receipt = call.await.unwrap();
    bed.advance(30 * SECOND).await;
    receipt.outcome().await.unwrap();
    assert_eq!(bed.probe.count("order"), 3);
    bed.advance(3_600 * SECOND).await;
    assert_eq!(rung(&cluster).await, ["once"]);
}

// proves: B82
async fn a_failed_commit_sets_nothing_and_the_run_after_it_does(bed: Bed) {
    let cluster = start(&bed).await;
    let clock = cluster.get::<Clock>("c");
    bed.probe.close("order");
    let receipt = clock.order(Order::Once("once".into(), 5_000), End::Ok).send().await.unwrap();
    bed.probe.wait_for("order", 1).await;
    bed.faulty().fail_next(Write::Commit, Fault::Refused, 40);
    bed.probe.open("order");
    bed.advance(60 * SECOND).await;
    receipt.outcome().await.unwrap();
    bed.advance(60 * SECOND).await;
    assert_eq!(rung(&cluster).await, ["once"]);
}

/// Whether the lost commit has happened or not: the reminder is there once, and what it has taken
/// the place of does not come.
// proves: B82, B109
async fn an_unknown_commit_sets_and_replaces_once(bed: Bed) {
    for fault in [Fault::DoneUnknown, Fault::LostUnknown, Fault::LateUnknown] {
        let name = format!("{fault:?}");
        let bed = bed.another().await;
        let cluster = start(&bed).await;
        let clock = cluster.get::<Clock>("c");
        order(&cluster, Order::Every("old".into(), 4_000)).await;
        bed.probe.close("order");
        let change = clock.order(Order::Every("new".into(), 10_000), End::Ok).send();
        let receipt = change.await.unwrap();
        bed.probe.wait_for("order", 2).await;
        bed.faulty().fail_next(Write::Commit, fault, 1);
        bed.probe.open("order");
        bed.advance(SECOND).await;
        receipt.outcome().await.unwrap();
        // The end of one of its requests is as uncertain.
        bed.advance(8 * SECOND).await;
        bed.faulty().fail_next(Write::Commit, fault, 1);
        bed.advance(31 * SECOND).await;
        assert_eq!(rung(&cluster).await, ["new"; 4], "{name}");
        assert_eq!(bed.probe.count("new"), 4, "{name}");
    }
}

backends!(in virtual time:
    an_error_sets_and_clears_nothing,
    a_panic_and_trouble_set_nothing,
    a_failed_commit_sets_nothing_and_the_run_after_it_does,
    an_unknown_commit_sets_and_replaces_once,
);
