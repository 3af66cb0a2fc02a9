//! What is due goes by the database's time, which each renewal of the lease measures. A test sets
//! it apart from the machine's.

use cluster::prelude::*;
use cluster::storage::OwnershipStorage;
use tokio::spawn;

use crate::entities::{Counter, CounterAdd, Desk, DeskFile, start, start_with};
use crate::support::{Bed, Probe, backends, settle};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const HOUR_MS: i64 = 3_600_000;

/// Sets how far the database's time is ahead of the machine's.
async fn set_ahead(bed: &Bed, ms: i64) {
    bed.faulty().set_cluster_time_offset(ms).await.unwrap();
}

// proves: B78
async fn it_starts_when_the_databases_clock_says_so(bed: Bed) {
    let bed = bed.with_virtual_time();
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    let now = bed.clock().wall();
    let in_an_hour = desk.file("in an hour".into()).at(now.after(HOUR)).send().await.unwrap();
    bed.advance(10 * SECOND).await;
    assert_eq!(probe.count("in an hour"), 0);
    // The next renewal finds out that the hour has passed, on the one clock that counts.
    set_ahead(&bed, HOUR_MS).await;
    bed.settle().await;
    assert_eq!(probe.count("in an hour"), 0, "nobody polls the database");
    bed.advance(SECOND).await;
    assert_eq!(in_an_hour.outcome().await.unwrap(), 1);

    // What is handed over now is due by that clock too.
    let soon = desk.file("in two hours".into()).at(now.after(2 * HOUR)).send().await.unwrap();
    let span = desk.file("in a minute".into()).after(60 * SECOND).send().await.unwrap();
    bed.advance(59 * SECOND).await;
    assert_eq!(probe.count("in a minute"), 0);
    bed.advance(SECOND).await;
    assert_eq!(span.outcome().await.unwrap(), 2);
    bed.advance(HOUR - 72 * SECOND).await;
    assert_eq!(probe.count("in two hours"), 0);
    bed.advance(2 * SECOND).await;
    assert_eq!(soon.outcome().await.unwrap(), 3);
}

// proves: B78
async fn it_does_not_start_while_the_databases_clock_is_behind(bed: Bed) {
    let bed = bed.with_virtual_time();
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let call = cluster.get::<Desk>("d").file("later".into()).after(30 * SECOND);
    let later = call.send().await.unwrap();
    set_ahead(&bed, -60_000).await;
    bed.advance(SECOND).await;
    bed.advance(80 * SECOND).await;
    assert_eq!(probe.count("later"), 0, "it is a minute later here than it is");
    bed.advance(10 * SECOND).await;
    assert_eq!(later.outcome().await.unwrap(), 1);
}

/// Before anything is loaded, and not only with the first renewal.
// proves: B78, B79
async fn a_start_measures_it(bed: Bed) {
    let bed = bed.with_virtual_time();
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let call = cluster.get::<Desk>("d").file("later".into()).after(HOUR);
    let later = call.send().await.unwrap().id();
    set_ahead(&bed, 2 * HOUR_MS).await;
    drop(cluster);

    let cluster = start(&bed, &probe).await;
    let outcome = cluster.receipt::<DeskFile>(later).outcome().await;
    assert_eq!(outcome.unwrap(), 1, "without any time passing");
    let past = bed.clock().wall().after(HOUR);
    assert_eq!(cluster.get::<Desk>("d").file("past".into()).at(past).await.unwrap(), 2);
    let ahead = cluster.snowflake().timestamp().since(bed.clock().wall());
    assert_eq!(ahead, 2 * HOUR);
}

/// On the machine's clock, where a renewal is a question that takes its time.
// proves: B78
async fn it_is_so_in_real_time(bed: Bed) {
    let probe = Probe::default();
    let often = |builder: cluster::ClusterBuilder| {
        builder.config(|config| config.renewal = Duration::from_millis(20))
    };
    let cluster = start_with(&bed, &probe, often).await;
    let desk = cluster.get::<Desk>("d");
    let receipt = desk.file("later".into()).after(HOUR).send().await.unwrap();
    let waiter = spawn(async move { receipt.outcome().await });
    let renewals = bed.door.done("renew");
    bed.door.called("renew", renewals + 3).await;
    assert_eq!(probe.count("later"), 0);
    set_ahead(&bed, HOUR_MS).await;
    assert_eq!(waiter.await.unwrap().unwrap(), 1);
}

// proves: B220
async fn ids_and_order_grow_though_it_steps_back(bed: Bed) {
    let bed = bed.with_virtual_time();
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    let mut snowflakes = Vec::new();
    let mut receipts = Vec::new();
    for hours in [0, 3, 1, -5, 2] {
        set_ahead(&bed, hours * HOUR_MS).await;
        bed.advance(SECOND).await;
        snowflakes.extend([cluster.snowflake(), cluster.snowflake()]);
        let receipt = desk.file(format!("{hours}")).send().await.unwrap();
        receipts.push(receipt.id());
        receipt.outcome().await.unwrap();
    }
    assert!(snowflakes.is_sorted_by(|one, next| one < next), "{snowflakes:?}");
    assert!(receipts.is_sorted_by(|one, next| one < next), "{receipts:?}");
    assert_eq!(desk.papers().await.unwrap(), ["0", "3", "1", "-5", "2"]);
}

// proves: B31, B111
async fn a_key_is_remembered_though_it_steps(bed: Bed) {
    let bed = bed.with_virtual_time();
    let cluster = start(&bed, &Probe::default()).await;
    let counter = cluster.get::<Counter>("c");
    let first = counter.add(-7).key("p7").send().await.unwrap().id();
    for hours in [48, 0, 96] {
        set_ahead(&bed, hours * HOUR_MS).await;
        for _ in 0..3 {
            bed.advance(30 * SECOND).await;
            settle().await;
        }
        assert_eq!(counter.add(-7).key("p7").await.unwrap(), -7, "the first outcome");
    }
    // It goes when its window has passed, whatever the clocks say.
    bed.advance(24 * HOUR).await;
    bed.advance(HOUR).await;
    let gone = cluster.receipt::<CounterAdd>(first).outcome().await;
    assert!(matches!(gone, Err(ClusterError::Retired { .. })), "{gone:?}");
    assert_eq!(counter.add(-7).key("p7").await.unwrap(), -14, "it runs anew");
}

backends!(
    it_starts_when_the_databases_clock_says_so,
    it_does_not_start_while_the_databases_clock_is_behind,
    a_start_measures_it,
    it_is_so_in_real_time,
    ids_and_order_grow_though_it_steps_back,
    a_key_is_remembered_though_it_steps,
);
