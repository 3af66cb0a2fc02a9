//! A reminder comes at its time: once, or again and again, also when nobody ran meanwhile.

use std::time::Duration;

use cluster::storage::OwnershipStorage;

use crate::entities::{ClockRing, End, Order, order, rung, start};
use crate::support::{Bed, backends};

const SECOND: Duration = Duration::from_secs(1);

// proves: B82
async fn what_is_set_once_comes_once_at_its_time(bed: Bed) {
    let cluster = start(&bed).await;
    let id = order(&cluster, Order::Once("tea".into(), 30_000)).await.unwrap();
    bed.advance(Duration::from_millis(29_999)).await;
    assert_eq!(rung(&cluster).await, [""; 0]);
    bed.advance(Duration::from_millis(1)).await;
    assert_eq!(rung(&cluster).await, ["tea"]);
    assert_eq!(cluster.receipt::<ClockRing>(id).outcome().await.unwrap(), 2);
    bed.advance(3_600 * SECOND).await;
    assert_eq!(rung(&cluster).await, ["tea"], "once");
    // A time that has passed is as soon as it is set.
    order(&cluster, Order::At("late".into(), 0)).await;
    bed.settle().await;
    assert_eq!(rung(&cluster).await, ["tea", "late"]);
}

// proves: B82
async fn what_is_set_with_a_period_comes_at_each_of_its_times(bed: Bed) {
    let cluster = start(&bed).await;
    order(&cluster, Order::Every("hour".into(), 3_600_000)).await;
    for hours in 0..5 {
        bed.advance(Duration::from_millis(3_599_999)).await;
        assert_eq!(rung(&cluster).await.len(), hours);
        bed.advance(Duration::from_millis(1)).await;
        assert_eq!(rung(&cluster).await.len(), hours + 1);
    }
    // For the first time after another span.
    order(&cluster, Order::EveryAfter("again".into(), 60_000, 5_000)).await;
    bed.advance(5 * SECOND).await;
    assert_eq!(rung(&cluster).await.len(), 6);
    bed.advance(120 * SECOND).await;
    assert_eq!(rung(&cluster).await[5..], ["again"; 3]);
}

/// The clock that counts is the database's, which each renewal of the lease measures.
// proves: B82
async fn it_comes_by_the_databases_clock(bed: Bed) {
    let cluster = start(&bed).await;
    order(&cluster, Order::Every("hour".into(), 3_600_000)).await;
    bed.advance(60 * SECOND).await;
    bed.faulty().set_cluster_time_offset(3_600_000).await.unwrap();
    bed.settle().await;
    assert_eq!(rung(&cluster).await.len(), 0);
    bed.advance(SECOND).await;
    assert_eq!(rung(&cluster).await, ["hour"]);
    // The next one is a period after its time, by the same clock.
    bed.advance(3_538 * SECOND).await;
    assert_eq!(rung(&cluster).await.len(), 1);
    bed.advance(SECOND).await;
    assert_eq!(rung(&cluster).await.len(), 2);
}

/// One that has missed many of its times comes once for all of them, and then at the next one.
// proves: B82
async fn it_comes_after_a_restart_and_makes_nothing_up(bed: Bed) {
    let cluster = start(&bed).await;
    order(&cluster, Order::Every("m".into(), 60_000)).await;
    bed.advance(90 * SECOND).await;
    assert_eq!(rung(&cluster).await.len(), 1);
    drop(cluster);

    let cluster = start(&bed).await;
    bed.advance(29 * SECOND).await;
    assert_eq!(rung(&cluster).await.len(), 1);
    bed.advance(SECOND).await;
    assert_eq!(rung(&cluster).await.len(), 2, "two minutes after it was set");
    cluster.shutdown().await.unwrap();
    drop(cluster);
    // Ten and a half minutes in which nobody runs.
    bed.time().advance(630 * SECOND);

    let cluster = start(&bed).await;
    bed.settle().await;
    assert_eq!(rung(&cluster).await.len(), 3, "one for all that were missed");
    bed.advance(29 * SECOND).await;
    assert_eq!(rung(&cluster).await.len(), 3);
    bed.advance(SECOND).await;
    assert_eq!(rung(&cluster).await.len(), 4, "the next of its times");
}

/// A handler that takes longer than the period.
// proves: B82
async fn two_never_run_at_once_and_missed_times_are_left_out(bed: Bed) {
    let cluster = start(&bed).await;
    order(&cluster, Order::Every("slow".into(), 1_000)).await;
    bed.probe.close("slow");
    bed.advance(Duration::from_millis(4_500)).await;
    bed.probe.open("slow");
    bed.settle().await;
    assert_eq!(bed.probe.count("slow"), 1);
    bed.advance(Duration::from_millis(499)).await;
    assert_eq!(bed.probe.count("slow"), 1);
    bed.advance(Duration::from_millis(1)).await;
    assert_eq!(bed.probe.count("slow"), 2);
}

// proves: B82
async fn headers_and_arguments_come_with_every_request(bed: Bed) {
    let cluster = start(&bed).await;
    let clock = cluster.get::<crate::entities::Clock>("c");
    let call = clock.order(Order::Every("tenant".into(), 1_000), End::Ok);
    call.inherited_header("tenant", "blue").await.unwrap();
    bed.advance(3 * SECOND).await;
    let stored = bed.door.commits();
    let rows = stored.iter().flat_map(|batch| &batch.accepts);
    let rows: Vec<_> = rows.filter(|row| row.reminder.is_some()).collect();
    assert_eq!(rows.len(), 4, "the first, and one for each that came");
    for row in rows {
        assert_eq!(row.headers.get("tenant"), Some("blue"));
    }
}

backends!(in virtual time:
    what_is_set_once_comes_once_at_its_time,
    what_is_set_with_a_period_comes_at_each_of_its_times,
    it_comes_by_the_databases_clock,
    it_comes_after_a_restart_and_makes_nothing_up,
    two_never_run_at_once_and_missed_times_are_left_out,
    headers_and_arguments_come_with_every_request,
);
