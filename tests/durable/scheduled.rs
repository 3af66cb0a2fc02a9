//! Requests that start at a time of their own.

use std::time::SystemTime;

use cluster::prelude::*;
use cluster::time::Timestamp;
use cluster::{Cancelled, ClusterBuilder};
use tokio::spawn;

use crate::entities::{Counter, Desk, DeskFile, start, start_with};
use crate::support::{Bed, Probe, backends, settle};

/// Three of them are shorter than a finished request is kept.
const SPAN: Duration = Duration::from_secs(1_000);

/// What was filed, in order.
async fn papers(cluster: &Cluster) -> Vec<String> {
    cluster.get::<Desk>("d").papers().await.unwrap()
}

// proves: B78, B80
async fn it_starts_at_its_time_and_not_a_moment_before(bed: Bed) {
    let bed = bed.with_virtual_time();
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    let now = bed.clock().wall();
    let receipt =
        desk.file("at".into()).at(now.after(Duration::from_millis(1_500))).send().await.unwrap();
    let later = desk.file("after".into()).after(Duration::from_micros(1_999_001));
    let later = later.send().await.unwrap();
    // What has passed is now, and what never comes harms nobody.
    assert_eq!(desk.file("past".into()).at(SystemTime::UNIX_EPOCH).await.unwrap(), 1);
    assert_eq!(desk.file("now".into()).after(Duration::ZERO).await.unwrap(), 2);
    desk.file("in 100 years".into())
        .after(Duration::from_secs(86_400 * 36_525))
        .send()
        .await
        .unwrap();
    desk.file("never".into()).after(Duration::MAX).send().await.unwrap();
    desk.file("never at all".into()).at(Timestamp::from_unix_ms(i64::MAX)).send().await.unwrap();

    bed.advance(Duration::from_micros(1_499_999)).await;
    assert_eq!(papers(&cluster).await, ["past", "now"]);
    bed.advance(Duration::from_micros(1)).await;
    probe.wait_for("at!", 1).await;
    assert_eq!(receipt.outcome().await.unwrap(), 3);
    bed.advance(Duration::from_micros(499_999)).await;
    assert_eq!(probe.count("after"), 0, "fractions of a millisecond round up");
    bed.advance(Duration::from_micros(1)).await;
    assert_eq!(later.outcome().await.unwrap(), 4);
}

// proves: B79
async fn what_became_due_while_nobody_ran_runs_once_in_the_order_of_its_time(bed: Bed) {
    let bed = bed.with_virtual_time();
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    let mut receipts = Vec::new();
    for n in 0..20_u32 {
        let minutes = n * 7 % 20;
        let call = desk.file(format!("{minutes:02}")).after(minutes * Duration::from_secs(60));
        receipts.push(call.send().await.unwrap().id());
    }
    bed.advance(Duration::from_secs(90)).await;
    probe.wait_for("01!", 1).await;
    drop((desk, cluster));
    bed.time().advance(2 * SPAN);

    let cluster = start(&bed, &probe).await;
    for id in receipts {
        cluster.receipt::<DeskFile>(id).outcome().await.unwrap();
    }
    let expected: Vec<_> = (0..20).map(|n| format!("{n:02}")).collect();
    assert_eq!(papers(&cluster).await, expected);
    assert!(expected.iter().all(|paper| probe.count(paper) == 1));
}

/// More than may be in memory, given in any order, before and while others start.
// proves: B78, B79
async fn few_are_in_memory_and_all_start_in_their_order(bed: Bed) {
    let bed = bed.with_virtual_time();
    let probe = Probe::default();
    let cluster = start_with(&bed, &probe, |builder| {
        builder.config(|config| {
            config.schedule_max = 8;
            config.load_page = 3;
        })
    })
    .await;
    let desk = cluster.get::<Desk>("d");
    let schedule = async |numbers: std::ops::Range<u32>| {
        let mut receipts = Vec::new();
        for n in numbers {
            let second = n * 37 % 100;
            let time =
                Timestamp::from_unix_ms(1_800_000_000_000).after(second * Duration::from_secs(1));
            let call = desk.file(format!("{second:02}")).at(time);
            receipts.push(call.send().await.unwrap());
        }
        receipts
    };
    let mut receipts = schedule(0..60).await;
    bed.advance(Duration::from_millis(500)).await;
    receipts.extend(schedule(60..100).await);
    for receipt in receipts {
        while bed.clock().wall() < Timestamp::from_unix_ms(1_800_000_101_000) {
            bed.advance(Duration::from_millis(500)).await;
        }
        receipt.outcome().await.unwrap();
    }
    let papers = papers(&cluster).await;
    let expected: Vec<_> = (0..100).map(|n| format!("{n:02}")).collect();
    assert_eq!(papers, expected);
}

// proves: B79
async fn all_overdue_at_once_each_runs_once(bed: Bed) {
    let bed = bed.with_virtual_time();
    let probe = Probe::default();
    let few = |builder: ClusterBuilder| {
        builder.config(|config| {
            config.schedule_max = 8;
            config.mailbox = 4;
        })
    };
    let cluster = start_with(&bed, &probe, few).await;
    let mut receipts = Vec::new();
    for n in 0..200 {
        let counter = cluster.get::<Counter>(format!("c{}", n % 3));
        receipts.push(counter.add(1).after(SPAN).send().await.unwrap().id());
    }
    drop(cluster);
    bed.time().advance(2 * SPAN);
    let cluster = start_with(&bed, &probe, few).await;
    cluster.caught_up().await.unwrap();
    let mut sum = 0;
    for n in 0..3 {
        sum += cluster.get::<Counter>(format!("c{n}")).value().await.unwrap();
    }
    assert_eq!(sum, 200);
}

// proves: B81
async fn cancelled_before_its_time_it_never_starts(bed: Bed) {
    let bed = bed.with_virtual_time();
    let probe = Probe::default();
    let cluster = start_with(&bed, &probe, |builder| {
        // One is in memory, one in the storage only.
        builder.config(|config| config.schedule_max = 1)
    })
    .await;
    let desk = cluster.get::<Desk>("d");
    let near = desk.file("near".into()).after(SPAN).send().await.unwrap();
    let far = desk.file("far".into()).after(2 * SPAN).send().await.unwrap();
    let other = desk.file("other".into()).after(3 * SPAN).send().await.unwrap();
    let waiting = spawn({
        let near = near.clone();
        async move { near.outcome().await }
    });
    settle().await;
    assert_eq!(near.cancel().await.unwrap(), Cancelled::Interrupted);
    assert_eq!(far.cancel().await.unwrap(), Cancelled::Interrupted);
    let told = waiting.await.unwrap();
    assert!(matches!(told, Err(ClusterError::Interrupted)), "{told:?}");
    bed.advance(2 * SPAN).await;
    let outcome = far.outcome().await;
    assert!(matches!(outcome, Err(ClusterError::Interrupted)), "{outcome:?}");
    let ids = [near.id(), far.id()];
    let other_id = other.id();
    drop((near, far, other, desk, cluster));

    let cluster = start(&bed, &probe).await;
    bed.advance(SPAN).await;
    assert_eq!(cluster.receipt::<DeskFile>(other_id).outcome().await.unwrap(), 1);
    assert_eq!(papers(&cluster).await, ["other"]);
    for id in ids {
        let outcome = cluster.receipt::<DeskFile>(id).outcome().await;
        assert!(matches!(outcome, Err(ClusterError::Interrupted)), "{outcome:?}");
        assert_eq!(cluster.cancel(id).await.unwrap(), Cancelled::Interrupted, "again");
    }
}

/// Requests in back-off do not stay in memory: there may be more than the schedule holds.
// proves: B90
async fn more_fail_than_the_schedule_holds(bed: Bed) {
    let probe = Probe::default();
    let cluster =
        start_with(&bed, &probe, |builder| builder.config(|config| config.schedule_max = 4)).await;
    let receipts: Vec<_> = (0..40)
        .map(|n| {
            probe.panic_at(&n.to_string(), 2);
            let desk = cluster.get::<Desk>(format!("d{}", n % 7));
            spawn(async move { desk.file(n.to_string()).await })
        })
        .collect();
    for receipt in receipts {
        receipt.await.unwrap().unwrap();
    }
    assert!((0..40).all(|n: u32| probe.count(&n.to_string()) == 3));
}

/// A key makes a scheduled request one, as any other.
// proves: B31
async fn a_key_joins_a_scheduled_request(bed: Bed) {
    let bed = bed.with_virtual_time();
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    let first = desk.file("p".into()).key("k").after(SPAN).send().await.unwrap();
    let again = desk.file("p".into()).key("k").send().await.unwrap();
    assert_eq!(first.id(), again.id());
    let joined = spawn(async move { desk.file("p".into()).key("k").timeout(2 * SPAN).await });
    settle().await;
    bed.advance(SPAN).await;
    assert_eq!(joined.await.unwrap().unwrap(), 1);
    assert_eq!(probe.count("p"), 1);
}

/// Neither its length nor the restart of others makes it anything but one running request.
// proves: B101
async fn a_handler_that_runs_for_hours_is_started_once(bed: Bed) {
    let bed = bed.with_virtual_time();
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    probe.close("long");
    let receipt = desk.file("long".into()).key("k").send().await.unwrap();
    probe.wait_for("long", 1).await;
    let due = cluster.get::<Counter>("c").add(1).after(SPAN).send().await.unwrap();
    bed.advance(Duration::from_secs(3 * 3_600)).await;
    assert!(matches!(due.outcome().await, Ok(1) | Err(ClusterError::Retired { .. })));
    let again = desk.file("long".into()).key("k").send().await.unwrap();
    assert_eq!(again.id(), receipt.id());
    probe.open("long");
    assert_eq!(receipt.outcome().await.unwrap(), 1);
    assert_eq!((probe.count("long"), probe.count("long!")), (1, 1));
    assert_eq!(bed.door.attempts(), 0);
}

backends!(
    a_handler_that_runs_for_hours_is_started_once,
    it_starts_at_its_time_and_not_a_moment_before,
    what_became_due_while_nobody_ran_runs_once_in_the_order_of_its_time,
    few_are_in_memory_and_all_start_in_their_order,
    all_overdue_at_once_each_runs_once,
    cancelled_before_its_time_it_never_starts,
    more_fail_than_the_schedule_holds,
    a_key_joins_a_scheduled_request,
);
