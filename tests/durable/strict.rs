//! Where order is strict, a request waits for those before it, whatever became of these.

use cluster::prelude::*;
use cluster::{Cancelled, ClusterBuilder, EntityOptions};
use tokio::spawn;

use crate::entities::{Desk, DeskFile, start_with};
use crate::support::{Bed, Probe, Reading, backends, is_waiting};

const SECOND: Duration = Duration::from_secs(1);
const STRICT: EntityOptions = EntityOptions { strict_order: Some(true), ..EntityOptions::DEFAULT };

/// Ten seconds of back-off.
async fn start_strict(bed: &Bed, probe: &Probe) -> Cluster {
    let strict = |builder: ClusterBuilder| {
        builder.options::<Desk>(STRICT).config(|config| {
            config.backoff_min = 10 * SECOND;
            config.backoff_max = 10 * SECOND;
            config.mailbox = 2;
        })
    };
    start_with(bed, probe, strict).await
}

// proves: B90, B257
async fn a_scheduled_request_in_back_off_keeps_its_place_through_a_crash(bed: Bed) {
    let bed = bed.with_virtual_time();
    let probe = Probe::default();
    let cluster = start_strict(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    probe.panic_at("one!", 1);
    desk.file("one".into()).after(SECOND).send().await.unwrap();
    bed.advance(SECOND).await;
    probe.wait_for("one!", 1).await;
    bed.settle().await;
    let two = desk.file("two".into()).send().await.unwrap().id();
    bed.advance(5 * SECOND).await;
    drop((desk, cluster));
    bed.settle().await;

    let cluster = start_strict(&bed, &probe).await;
    bed.settle().await;
    bed.advance(4 * SECOND).await;
    assert_eq!((probe.count("one"), probe.count("two")), (1, 0), "the back-off goes on");
    bed.advance(SECOND).await;
    assert_eq!(cluster.receipt::<DeskFile>(two).outcome().await.unwrap(), 2);
    let papers = cluster.get::<Desk>("d").papers().await.unwrap();
    assert_eq!(papers, ["one", "two"]);
}

/// It was accepted after requests that are still in the storage only.
// proves: B90, B257
async fn a_scheduled_request_in_back_off_is_not_found_a_second_time(bed: Bed) {
    let bed = bed.with_virtual_time();
    let probe = Probe::default();
    let cluster = start_strict(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    probe.close("a");
    for paper in ["a", "b", "c", "d", "e"] {
        desk.file(paper.into()).send().await.unwrap();
    }
    probe.panic_at("one!", 1);
    desk.file("one".into()).after(SECOND).send().await.unwrap();
    let last = desk.file("last".into()).send().await.unwrap();
    bed.advance(SECOND).await;
    probe.open("a");
    bed.settle().await;
    for _ in 0..30 {
        bed.advance(SECOND).await;
    }
    last.outcome().await.unwrap();
    assert_eq!(probe.count("one"), 2);
    let papers = desk.papers().await.unwrap();
    assert_eq!(papers.iter().filter(|paper| *paper == "one").count(), 1, "{papers:?}");
}

/// The page holds it as failed, and comes when it has ended.
// proves: B90, B257
async fn a_page_that_was_read_before_its_end_does_not_start_it_again(bed: Bed) {
    let bed = bed.with_virtual_time();
    let probe = Probe::default();
    let cluster = start_strict(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    cluster.caught_up().await.unwrap();
    bed.settle().await;
    ["a", "c"].iter().for_each(|point| probe.close(point));
    for paper in ["a", "b", "c"] {
        desk.file(paper.into()).send().await.unwrap();
    }
    probe.panic_at("one!", 1);
    desk.file("one".into()).after(SECOND).send().await.unwrap();
    let last = desk.file("last".into()).send().await.unwrap();
    bed.advance(SECOND).await;
    bed.door.stop("load_pending", Reading::Before);
    probe.open("a");
    probe.wait_for("c", 1).await;
    bed.door.stopped("load_pending", Reading::Before, 1).await;
    probe.open("c");
    probe.wait_for("one!", 1).await;
    bed.settle().await;
    bed.door.let_read("load_pending");
    bed.door.stopped("load_pending", Reading::After, 1).await;
    bed.advance(10 * SECOND).await;
    probe.wait_for("one!", 2).await;
    bed.settle().await;
    bed.door.go_on("load_pending");
    assert_eq!(last.outcome().await.unwrap(), 5);
    assert_eq!(probe.count("one"), 2);
}

// proves: B83, B257
async fn a_cancel_ends_a_back_off(bed: Bed) {
    let bed = bed.with_virtual_time();
    let probe = Probe::default();
    let cluster = start_strict(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    probe.panic_at("one!", 1);
    let one = desk.file("one".into()).send().await.unwrap();
    let two = desk.file("two".into()).send().await.unwrap();
    probe.wait_for("one!", 1).await;
    bed.settle().await;
    assert_eq!(one.cancel().await.unwrap(), Cancelled::Interrupted);
    assert_eq!(two.outcome().await.unwrap(), 1);
    assert_eq!(probe.count("one"), 1);
}

/// What has become due, and calls that are not stored, come before the first page at a start.
// proves: B257
async fn nothing_starts_at_a_start_before_what_stands_before_it_is_known(bed: Bed) {
    let bed = bed.with_virtual_time();
    let probe = Probe::default();
    let cluster = start_strict(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    probe.panic_at("one!", 1);
    desk.file("one".into()).send().await.unwrap();
    probe.wait_for("one!", 1).await;
    bed.settle().await;
    desk.file("two".into()).after(SECOND).send().await.unwrap();
    drop((desk, cluster));
    bed.settle().await;
    bed.time().advance(5 * SECOND);

    bed.door.stop("load_pending", Reading::Before);
    let cluster = start_strict(&bed, &probe).await;
    bed.settle().await;
    let desk = cluster.get::<Desk>("d");
    let mut papers = Box::pin(spawn(async move { desk.papers().await }));
    assert!(is_waiting(&mut papers).await);
    assert_eq!(probe.count("two"), 0);
    bed.door.go_on("load_pending");
    bed.settle().await;
    assert!(is_waiting(&mut papers).await);
    assert_eq!(probe.count("two"), 0);
    bed.advance(5 * SECOND).await;
    cluster.caught_up().await.unwrap();
    assert_eq!(papers.await.unwrap().unwrap().first().map(String::as_str), Some("one"));
    assert_eq!(cluster.get::<Desk>("d").papers().await.unwrap(), ["one", "two"]);
}

backends!(
    a_scheduled_request_in_back_off_keeps_its_place_through_a_crash,
    a_scheduled_request_in_back_off_is_not_found_a_second_time,
    a_page_that_was_read_before_its_end_does_not_start_it_again,
    a_cancel_ends_a_back_off,
    nothing_starts_at_a_start_before_what_stands_before_it_is_known,
);
