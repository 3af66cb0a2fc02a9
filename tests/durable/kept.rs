//! What is accepted while the storage is asked for what it holds: it stands behind that, and
//! nobody asks again for its sake.

use cluster::prelude::*;
use cluster::storage::RetentionClass;
use cluster::{Cancelled, ClusterBuilder};
use tokio::spawn;
use tokio::task::JoinHandle;

use crate::entities::{Counter, CounterAdd, Desk, start, start_with};
use crate::support::{Bed, Probe, Reading, backends, is_waiting};

/// A cluster whose first look at the storage has read, and is not told.
async fn start_looking(
    bed: &Bed,
    probe: &Probe,
    configure: impl FnOnce(ClusterBuilder) -> ClusterBuilder,
) -> Cluster {
    bed.door.stop("load_pending", Reading::After);
    let cluster = start_with(bed, probe, configure).await;
    bed.door.stopped("load_pending", Reading::After, 1).await;
    cluster
}

/// Files papers of these names at one desk, one after the other.
fn file_all(cluster: &Cluster, papers: &'static [&str]) -> JoinHandle<Result<usize, ClusterError>> {
    let desk = cluster.get::<Desk>("d");
    spawn(async move {
        for paper in papers {
            desk.file((*paper).into()).send().await?;
        }
        Ok(papers.len())
    })
}

/// Waits until so many requests were accepted.
async fn accepted(bed: &Bed, many: usize) {
    while bed.door.accepts() < many {
        tokio::task::yield_now().await;
    }
    bed.settle().await;
}

/// Also one that is not stored.
// proves: B37
async fn what_follows_a_receipt_comes_behind_its_request(bed: Bed) {
    let probe = Probe::default();
    let cluster = start_looking(&bed, &probe, |builder| builder).await;
    let counter = cluster.get::<Counter>("c");
    let mut value = Box::pin(spawn(async move {
        counter.add(1).send().await?;
        counter.value().await
    }));
    accepted(&bed, 1).await;
    assert!(is_waiting(&mut value).await);
    bed.door.go_on("load_pending");
    assert_eq!(value.await.unwrap().unwrap(), 1);
}

/// However steadily requests come: a start under load is as fast as any later time.
async fn the_storage_is_asked_once_while_requests_keep_coming(bed: Bed) {
    let probe = Probe::default();
    let cluster = start_looking(&bed, &probe, |builder| builder).await;
    let counters: Vec<_> = (0..3).map(|n| cluster.get::<Counter>(format!("c{n}"))).collect();
    let kept: Vec<_> =
        counters.iter().map(|counter| spawn(counter.add(1).key("k").into_future())).collect();
    accepted(&bed, 3).await;
    bed.door.go_on("load_pending");
    for call in kept {
        assert_eq!(call.await.unwrap().unwrap(), 1);
    }
    for n in 2..=20 {
        for counter in &counters {
            assert_eq!(counter.add(1).await.unwrap(), n);
        }
    }
    assert_eq!(bed.door.calls("load_pending"), 1);
}

/// The page is full, or more comes than is kept: then the rest comes from the storage.
// proves: B37
async fn the_order_holds_however_many_are_kept(bed: Bed) {
    const PAPERS: [&str; 8] = ["0", "1", "2", "3", "4", "5", "6", "7"];
    for (stored, page) in [(0, 1), (0, 3), (2, 2), (3, 2), (5, 3), (2, 9)] {
        let bed = bed.another().await;
        let probe = Probe::default();
        probe.close("0");
        let cluster = start(&bed, &probe).await;
        cluster.caught_up().await.unwrap();
        file_all(&cluster, PAPERS.split_at(stored).0).await.unwrap().unwrap();
        drop(cluster);
        bed.settle().await;
        probe.open("0");

        let few = |builder: ClusterBuilder| builder.config(|config| config.load_page = page);
        let cluster = start_looking(&bed, &probe, few).await;
        let filed = file_all(&cluster, PAPERS.split_at(stored).1);
        // More than are kept are accepted, or all that can be before a receipt waits.
        bed.settle().await;
        bed.door.go_on("load_pending");
        filed.await.unwrap().unwrap();
        cluster.caught_up().await.unwrap();
        assert_eq!(cluster.get::<Desk>("d").papers().await.unwrap(), PAPERS, "{stored} of {page}");
    }
}

// proves: B83
async fn a_kept_request_can_be_cancelled_and_never_runs(bed: Bed) {
    let probe = Probe::default();
    let cluster = start_looking(&bed, &probe, |builder| builder).await;
    let filed = file_all(&cluster, &["paper", "other"]);
    accepted(&bed, 1).await;
    let id = bed.door.last_accepted(RetentionClass::Sent);
    assert_eq!(cluster.cancel(id).await.unwrap(), Cancelled::Interrupted);
    bed.door.go_on("load_pending");
    filed.await.unwrap().unwrap();
    cluster.caught_up().await.unwrap();
    assert_eq!(cluster.get::<Desk>("d").papers().await.unwrap(), ["other"]);
    assert_eq!(probe.count("paper"), 0);
}

/// It waits for a place in memory, as one of a page would.
// proves: B83
async fn a_kept_request_that_is_cancelled_while_it_waits_for_room_never_runs(bed: Bed) {
    let bed = bed.with_virtual_time();
    let probe = Probe::default();
    probe.close("first");
    let one = |builder: ClusterBuilder| builder.config(|config| config.resident_entities_max = 1);
    let cluster = start_looking(&bed, &probe, one).await;
    let sent = ["first", "second"].map(|paper| {
        let desk = cluster.get::<Desk>(paper);
        spawn(async move { desk.file(paper.into()).send().await.map(|receipt| receipt.id()) })
    });
    accepted(&bed, 2).await;
    bed.door.go_on("load_pending");
    probe.wait_for("first", 1).await;
    bed.settle().await;
    let [first, second] = sent;
    first.await.unwrap().unwrap();
    let second = second.await.unwrap().unwrap();
    assert_eq!(cluster.cancel(second).await.unwrap(), Cancelled::Interrupted);
    probe.open("first");
    cluster.caught_up().await.unwrap();
    bed.settle().await;
    assert_eq!(cluster.get::<Desk>("second").papers().await.unwrap(), [""; 0]);
    assert_eq!(probe.count("second"), 0);
}

/// Who has sent something that is durable is told so, whatever becomes of the look.
// proves: B39
async fn a_receipt_is_given_though_its_cluster_ends(bed: Bed) {
    let probe = Probe::default();
    let cluster = start_looking(&bed, &probe, |builder| builder).await;
    let counter = cluster.get::<Counter>("c");
    let sent = spawn(async move { counter.add(1).send().await.map(|receipt| receipt.id()) });
    accepted(&bed, 1).await;
    cluster.shutdown().await.unwrap();
    let id = sent.await.unwrap().unwrap();
    drop(cluster);
    bed.door.go_on("load_pending");
    let cluster = start(&bed, &probe).await;
    assert_eq!(cluster.receipt::<CounterAdd>(id).outcome().await.unwrap(), 1);
}

backends!(
    what_follows_a_receipt_comes_behind_its_request,
    the_storage_is_asked_once_while_requests_keep_coming,
    the_order_holds_however_many_are_kept,
    a_kept_request_can_be_cancelled_and_never_runs,
    a_kept_request_that_is_cancelled_while_it_waits_for_room_never_runs,
    a_receipt_is_given_though_its_cluster_ends,
);
