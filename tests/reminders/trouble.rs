//! A reminder whose handler fails, and what is done about that.

use std::time::Duration;

use cluster::EntityOptions;
use cluster::prelude::*;
use futures_util::StreamExt;

use crate::entities::{Clock, ClockRing, Order, Plain, REFUSES, order, rung, start, start_with};
use crate::support::{Bed, backends};

const SECOND: Duration = Duration::from_secs(1);

// proves: B82
async fn an_error_of_its_handler_does_not_end_it(bed: Bed) {
    let cluster = start(&bed).await;
    let what = format!("tick{REFUSES}");
    order(&cluster, Order::Every(what.clone(), 1_000)).await;
    bed.advance(3 * SECOND).await;
    assert_eq!(bed.probe.count(&what), 3);
    assert_eq!(rung(&cluster).await, [""; 0], "an error changes nothing");
}

/// One of its requests is given up: it is listed, the others come, and redriven it comes once.
// proves: B82, B91, B93
async fn a_dead_letter_does_not_end_it(bed: Bed) {
    let cluster = start_with(&bed, |builder| {
        let options = EntityOptions { attempts: Some(2), ..EntityOptions::DEFAULT };
        builder.options::<Clock>(options)
    })
    .await;
    bed.probe.panic_at("tick", 2);
    let first = order(&cluster, Order::Every("tick".into(), 60_000)).await.unwrap();
    bed.advance(90 * SECOND).await;
    let letters = |cluster: &Cluster| {
        let list = cluster.dead_letters().of::<Clock>().list();
        list.map(Result::unwrap).collect::<Vec<_>>()
    };
    let dead = letters(&cluster).await;
    assert_eq!(dead.iter().map(|letter| letter.id()).collect::<Vec<_>>(), [first]);
    bed.advance(60 * SECOND).await;
    assert_eq!(rung(&cluster).await, ["tick"], "the next of its times");
    dead[0].redrive().await.unwrap();
    assert_eq!(cluster.receipt::<ClockRing>(first).outcome().await.unwrap(), 3);
    assert_eq!(letters(&cluster).await.len(), 0);
    bed.advance(30 * SECOND).await;
    assert_eq!(rung(&cluster).await, ["tick"; 3], "redriven it begins no second series");
    bed.advance(60 * SECOND).await;
    assert_eq!(rung(&cluster).await, ["tick"; 4]);
}

// proves: B82
async fn a_request_that_comes_once_may_die_and_is_not_set_then(bed: Bed) {
    let cluster = start_with(&bed, |builder| {
        let options = EntityOptions { attempts: Some(1), ..EntityOptions::DEFAULT };
        builder.options::<Clock>(options)
    })
    .await;
    bed.probe.panic_at("once", 1);
    let dead = order(&cluster, Order::Once("once".into(), 1_000)).await.unwrap();
    bed.advance(2 * SECOND).await;
    // It takes nobody's place: the dead letter stays, whatever is set then.
    order(&cluster, Order::Once("next".into(), 1_000)).await;
    bed.advance(2 * SECOND).await;
    let error = cluster.receipt::<ClockRing>(dead).outcome().await.unwrap_err();
    assert!(matches!(error, CallError::Cluster(ClusterError::Defect { .. })), "{error:?}");
    assert_eq!(rung(&cluster).await, ["next"]);
}

/// A retry of one that is in back-off is replaced like one that has not begun.
// proves: B82
async fn one_in_back_off_is_replaced(bed: Bed) {
    let cluster = start(&bed).await;
    bed.probe.panic_at("old", 1_000);
    let old = order(&cluster, Order::Every("old".into(), 1_000)).await.unwrap();
    bed.advance(Duration::from_millis(3_450)).await;
    let failed = bed.probe.count("old");
    assert!(failed > 1, "it was tried again");
    order(&cluster, Order::Every("new".into(), 10_000)).await;
    bed.probe.panic_at("old", 0);
    bed.advance(Duration::from_millis(20_001)).await;
    assert_eq!(rung(&cluster).await, ["new"; 2]);
    assert_eq!(bed.probe.count("old"), failed);
    let ended = cluster.receipt::<ClockRing>(old).outcome().await.unwrap_err();
    assert!(matches!(ended, CallError::Cluster(ClusterError::Interrupted)), "{ended:?}");
}

// proves: B82, B43
async fn a_request_that_is_reset_comes_again_and_begins_no_second_series(bed: Bed) {
    let cluster = start(&bed).await;
    let first = order(&cluster, Order::Every("tick".into(), 60_000)).await.unwrap();
    bed.advance(70 * SECOND).await;
    assert!(cluster.reset(first).await.unwrap());
    bed.settle().await;
    assert_eq!(rung(&cluster).await, ["tick"; 2]);
    bed.advance(120 * SECOND).await;
    assert_eq!(rung(&cluster).await, ["tick"; 4]);
}

/// What its runner lacks: the request is held, and the next comes after it was released and run.
// proves: B82, B95
async fn one_that_is_held_goes_on_when_it_is_released(bed: Bed) {
    let cluster = start(&bed).await;
    order(&cluster, Order::Every("tick".into(), 60_000)).await;
    drop(cluster);
    bed.time().advance(3 * 86_400 * SECOND);
    let probe = bed.probe.clone();
    let without = bed.start(|builder| builder.entity_with::<Plain>(move |_| Plain::new(&probe)));
    let without = without.await;
    bed.settle().await;
    assert_eq!(without.holds().list().count().await, 1);
    drop(without);
    let cluster = start(&bed).await;
    bed.settle().await;
    assert_eq!(rung(&cluster).await, ["tick"]);
    bed.advance(60 * SECOND).await;
    assert_eq!(rung(&cluster).await, ["tick"; 2]);
}

/// Its requests are finished ones like others; what waits is kept however long that takes.
// proves: B82, B111
async fn retention_removes_what_has_come_and_nothing_else(bed: Bed) {
    let cluster = start(&bed).await;
    let first = order(&cluster, Order::Every("week".into(), 7 * 86_400_000)).await.unwrap();
    bed.advance(8 * 86_400 * SECOND).await;
    let gone = cluster.receipt::<ClockRing>(first).outcome().await.unwrap_err();
    assert!(matches!(gone, CallError::Cluster(ClusterError::Retired { .. })), "{gone:?}");
    bed.advance(7 * 86_400 * SECOND).await;
    assert_eq!(rung(&cluster).await, ["week"; 2]);
}

backends!(in virtual time:
    an_error_of_its_handler_does_not_end_it,
    a_dead_letter_does_not_end_it,
    a_request_that_comes_once_may_die_and_is_not_set_then,
    one_in_back_off_is_replaced,
    a_request_that_is_reset_comes_again_and_begins_no_second_series,
    one_that_is_held_goes_on_when_it_is_released,
    retention_removes_what_has_come_and_nothing_else,
);
