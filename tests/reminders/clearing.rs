//! A reminder that is cleared, set anew or cancelled does not come any more.

use std::time::Duration;

use cluster::Cancelled;
use cluster::prelude::*;

use crate::entities::{
    CLEARS_ITSELF, Clock, ClockRing, End, Order, SETS_ANEW, order, rung, start, start_with,
};
use crate::support::{Bed, backends};

const SECOND: Duration = Duration::from_secs(1);

async fn outcome(cluster: &Cluster, id: RequestId) -> Result<usize, ClusterError> {
    match cluster.receipt::<ClockRing>(id).outcome().await {
        Ok(count) => Ok(count),
        Err(CallError::Cluster(error)) => Err(error),
        Err(CallError::Entity(error)) => panic!("{error}"),
    }
}

// proves: B82
async fn what_is_cleared_comes_no_more(bed: Bed) {
    let cluster = start(&bed).await;
    let first = order(&cluster, Order::Every("gone".into(), 10_000)).await.unwrap();
    bed.advance(15 * SECOND).await;
    assert_eq!(outcome(&cluster, first).await.unwrap(), 2);
    order(&cluster, Order::Clear).await;
    // Nothing to clear: nothing happens.
    order(&cluster, Order::Clear).await;
    let once = order(&cluster, Order::Once("gone as well".into(), 5_000)).await.unwrap();
    order(&cluster, Order::Clear).await;
    let ended = outcome(&cluster, once).await;
    assert!(matches!(ended, Err(ClusterError::Interrupted)), "{ended:?}");
    bed.advance(60 * SECOND).await;
    assert_eq!(rung(&cluster).await, ["gone"]);
    // Neither is there anything left for the next start.
    drop(cluster);
    bed.time().advance(3_600 * SECOND);
    let cluster = start(&bed).await;
    bed.advance(60 * SECOND).await;
    assert_eq!(rung(&cluster).await, ["gone"]);
}

// proves: B82
async fn the_handler_of_the_reminder_itself_ends_it_or_sets_it_anew(bed: Bed) {
    let cluster = start(&bed).await;
    let last = format!("tick{CLEARS_ITSELF}");
    order(&cluster, Order::Every(last.clone(), 1_000)).await;
    bed.advance(10 * SECOND).await;
    assert_eq!(rung(&cluster).await, std::slice::from_ref(&last));
    // In the place of the next of its own times.
    let anew = format!("tock{SETS_ANEW}");
    order(&cluster, Order::Every(anew.clone(), 4_000)).await;
    bed.advance(60 * SECOND).await;
    assert_eq!(rung(&cluster).await, [last, anew, "tock".into()]);
}

// proves: B82
async fn set_anew_it_takes_the_place_of_the_one_before(bed: Bed) {
    // One of two that wait is in the storage only.
    let cluster = start_with(&bed, |builder| builder.config(|c| c.schedule_max = 1)).await;
    for other in 0..3 {
        let clock = cluster.get::<Clock>(format!("other {other}"));
        clock.order(Order::Once("other".into(), 1), End::Ok).await.unwrap();
    }
    let first = order(&cluster, Order::Every("first".into(), 60_000)).await.unwrap();
    let second = order(&cluster, Order::Once("second".into(), 30_000)).await.unwrap();
    let third = order(&cluster, Order::Every("third".into(), 90_000)).await.unwrap();
    for id in [first, second] {
        let ended = outcome(&cluster, id).await;
        assert!(matches!(ended, Err(ClusterError::Interrupted)), "{ended:?}");
    }
    bed.advance(180 * SECOND).await;
    assert_eq!(rung(&cluster).await, ["third"; 2]);
    assert_eq!(outcome(&cluster, third).await.unwrap(), 4);
    // Whoever waits is told.
    let fourth = order(&cluster, Order::Once("fourth".into(), 60_000)).await.unwrap();
    let waiting = cluster.clone();
    let waits = tokio::spawn(async move { outcome(&waiting, fourth).await });
    bed.settle().await;
    order(&cluster, Order::Clear).await;
    let told = waits.await.unwrap();
    assert!(matches!(told, Err(ClusterError::Interrupted)), "{told:?}");
}

/// The cancel of one request leaves out one time.
// proves: B82
async fn cancelled_by_its_receipt_one_time_is_left_out(bed: Bed) {
    let cluster = start(&bed).await;
    let first = order(&cluster, Order::Every("each".into(), 10_000)).await.unwrap();
    assert_eq!(cluster.cancel(first).await.unwrap(), Cancelled::Interrupted);
    bed.advance(Duration::from_millis(10_001)).await;
    assert_eq!(rung(&cluster).await, [""; 0]);
    bed.advance(20 * SECOND).await;
    assert_eq!(rung(&cluster).await, ["each"; 2]);
    let once = order(&cluster, Order::Once("once".into(), 1_000)).await.unwrap();
    assert_eq!(cluster.cancel(once).await.unwrap(), Cancelled::Interrupted);
    bed.advance(60 * SECOND).await;
    assert_eq!(rung(&cluster).await, ["each"; 2]);
    // While it runs.
    bed.probe.close("running");
    let running = order(&cluster, Order::Every("running".into(), 10_000)).await.unwrap();
    bed.advance(10 * SECOND).await;
    bed.probe.wait_for("running", 1).await;
    assert_eq!(cluster.cancel(running).await.unwrap(), Cancelled::Interrupted);
    bed.probe.open("running");
    bed.advance(10 * SECOND).await;
    assert_eq!(rung(&cluster).await, ["each", "each", "running"]);
    assert_eq!(bed.probe.count("running"), 2);
}

backends!(in virtual time:
    what_is_cleared_comes_no_more,
    the_handler_of_the_reminder_itself_ends_it_or_sets_it_anew,
    set_anew_it_takes_the_place_of_the_one_before,
    cancelled_by_its_receipt_one_time_is_left_out,
);
