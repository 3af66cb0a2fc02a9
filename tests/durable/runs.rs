//! A persisted request runs until one outcome is committed, in the order of acceptance, whatever
//! becomes of its caller and of the process. The same with real processes is in `processes`.

use cluster::prelude::*;
use tokio::spawn;

use crate::support::{Bed, Counter, Desk, DeskFile, Probe, backends, is_waiting, settle, start};

// proves: B29
async fn a_request_is_durable_before_its_first_line(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    bed.door.hold_commits();
    let mut call = Box::pin(desk.file("paper".into()).into_future());
    assert!(is_waiting(&mut call).await);
    bed.door.commits_held(1).await;
    settle().await;
    assert_eq!(probe.count("paper"), 0);
    probe.close("paper");
    bed.door.pass_one();
    probe.wait_for("paper", 1).await;
    // The process ends on the first line.
    drop((call, desk, cluster));
    bed.door.release();
    probe.open("paper");
    let cluster = start(&bed, &probe).await;
    probe.wait_for("paper!", 1).await;
    assert_eq!(probe.count("paper"), 2);
    assert_eq!(cluster.get::<Desk>("d").file("next".into()).await.unwrap(), 2);
}

// proves: B38
async fn an_outcome_committed_before_a_crash_is_the_callers(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    let receipt = desk.file("paper".into()).send().await.unwrap();
    let id = receipt.id();
    assert_eq!(receipt.outcome().await.unwrap(), 1);
    // The outcome is committed, and nobody hears of it before the process ends.
    probe.close("second");
    let mut call = Box::pin(desk.file("second".into()).key("k").into_future());
    assert!(is_waiting(&mut call).await);
    probe.wait_for("second", 1).await;
    bed.door.hold_answers();
    probe.open("second");
    bed.door.answers_held(1).await;
    assert!(is_waiting(&mut call).await);
    drop((desk, cluster, receipt));
    drop(call);
    bed.door.release();

    let cluster = start(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    assert_eq!(desk.file("second".into()).key("k").await.unwrap(), 2);
    assert_eq!(cluster.receipt::<DeskFile>(id).outcome().await.unwrap(), 1);
    assert_eq!(probe.count("second"), 1);
}

// proves: B39
async fn a_request_outlives_its_caller(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    for paper in ["dropped", "late"] {
        probe.close(paper);
    }
    let mut dropped = Box::pin(desk.file("dropped".into()).into_future());
    assert!(is_waiting(&mut dropped).await);
    probe.wait_for("dropped", 1).await;
    drop(dropped);
    probe.open("dropped");
    probe.wait_for("dropped!", 1).await;

    let late = desk.file("late".into()).timeout(Duration::from_millis(20)).await;
    assert!(matches!(late, Err(ClusterError::Timeout { .. })), "{late:?}");
    probe.open("late");
    probe.wait_for("late!", 1).await;
    assert_eq!(desk.papers().await.unwrap(), ["dropped", "late"]);
    assert_eq!((probe.count("dropped"), probe.count("late")), (1, 1));
}

// proves: B37
async fn requests_start_in_the_order_of_acceptance_through_crashes(bed: Bed) {
    let probe = Probe::default();
    let mut cluster = start(&bed, &probe).await;
    let mut accepted = 0;
    for _ in 0..4 {
        let desk = cluster.get::<Desk>("d");
        for _ in 0..100 {
            desk.file_at_once(format!("{accepted:04}")).send().await.unwrap();
            accepted += 1;
        }
        // Some have run, some have not.
        drop((desk, cluster));
        cluster = start(&bed, &probe).await;
    }
    let desk = cluster.get::<Desk>("d");
    assert_eq!(desk.file_at_once("last".into()).await.unwrap(), accepted + 1);
    let papers = desk.papers().await.unwrap();
    let mut sorted = papers.clone();
    sorted.sort();
    assert_eq!(papers, sorted);
    assert_eq!(papers.len(), accepted + 1);
}

// proves: B37
async fn ten_thousand_requests_start_in_order_through_a_full_mailbox(bed: Bed) {
    let probe = Probe::default();
    let small = cluster::EntityOptions { mailbox: Some(8), ..Default::default() };
    let cluster = crate::support::start_with(&bed, &probe, |builder| {
        builder.options::<Order>(small).entity::<Order>()
    })
    .await;
    let order = cluster.get::<Order>("o");
    let mut sent = Vec::new();
    for batch in 0..10 {
        let sends = (0..1_000).map(|n| order.next(batch * 1_000 + n).send().into_future());
        sent.extend(futures_util::future::join_all(sends).await);
        if batch == 4 {
            tokio::task::yield_now().await;
        }
    }
    let last = sent.pop().unwrap().unwrap();
    assert_eq!(last.outcome().await.unwrap(), 10_000);
    assert!(order.in_order().await.unwrap());
}

// proves: B31, B36
async fn receipts_answer_after_a_restart(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    probe.close("paper");
    let receipt = cluster.get::<Desk>("d").file("paper".into()).send().await.unwrap();
    let id = receipt.id();
    probe.wait_for("paper", 1).await;
    let waiting = spawn(async move { receipt.outcome().await });
    settle().await;
    drop(cluster);
    // Who waits on a cluster that ends is told so.
    let told = waiting.await.unwrap();
    assert!(matches!(told, Err(ClusterError::ShuttingDown)), "{told:?}");

    let cluster = start(&bed, &probe).await;
    probe.wait_for("paper", 2).await;
    let receipt = cluster.receipt::<DeskFile>(id);
    let waiting = spawn(async move { (receipt.outcome().await, receipt.outcome().await) });
    settle().await;
    probe.open("paper");
    let (first, second) = waiting.await.unwrap();
    assert_eq!((first.unwrap(), second.unwrap()), (1, 1));
}

// proves: B41
async fn a_call_of_a_handler_that_runs_again_happens_once(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    probe.close("paper");
    let desk = cluster.get::<Desk>("d");
    let receipt = desk.file_with_copy("paper".into(), "copies".into()).send().await.unwrap();
    let id = receipt.id();
    // The inner request has its outcome, the outer one has not.
    probe.wait_for("paper", 1).await;
    drop((desk, cluster, receipt));
    let cluster = start(&bed, &probe).await;
    probe.wait_for("paper", 2).await;
    probe.open("paper");
    let outer = cluster.receipt::<crate::support::DeskFileWithCopy>(id);
    assert_eq!(outer.outcome().await.unwrap(), 1);
    assert_eq!(probe.count("copy of paper"), 1);
    assert_eq!(cluster.get::<Desk>("copies").papers().await.unwrap(), ["copy of paper"]);
    assert_eq!(cluster.get::<Desk>("d").papers().await.unwrap(), ["paper"]);
}

// proves: B41
async fn an_inner_call_that_still_runs_is_joined_by_the_rerun(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    probe.close("copy of paper");
    let desk = cluster.get::<Desk>("d");
    let receipt = desk.file_with_copy("paper".into(), "copies".into()).send().await.unwrap();
    let id = receipt.id();
    probe.wait_for("copy of paper", 1).await;
    drop((desk, cluster, receipt));
    let cluster = start(&bed, &probe).await;
    probe.wait_for("copy of paper", 2).await;
    settle().await;
    probe.open("copy of paper");
    let outer = cluster.receipt::<crate::support::DeskFileWithCopy>(id);
    assert_eq!(outer.outcome().await.unwrap(), 1);
    assert_eq!(cluster.get::<Desk>("copies").papers().await.unwrap(), ["copy of paper"]);
}

// proves: B41
async fn a_rerun_within_one_process_joins_its_earlier_calls(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    probe.panic_at("paper", 2);
    let desk = cluster.get::<Desk>("d");
    assert_eq!(desk.file_with_copy("paper".into(), "copies".into()).await.unwrap(), 1);
    assert_eq!((probe.count("paper"), probe.count("copy of paper")), (3, 1));
    // Another request makes calls of its own.
    assert_eq!(desk.file_with_copy("paper".into(), "copies".into()).await.unwrap(), 2);
}

// proves: B39, B44
async fn a_shutdown_in_the_middle_loses_nothing(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let counters: Vec<_> = (0..20).map(|n| cluster.get::<Counter>(format!("c{n}"))).collect();
    let mut receipts = Vec::new();
    for _ in 0..10 {
        for counter in &counters {
            receipts.push(counter.add(1).send().await.unwrap());
        }
    }
    cluster.shutdown().await.unwrap();
    // Receipts of a cluster that has ended answer at once, one way or the other.
    for receipt in &receipts {
        let told = receipt.outcome().await;
        assert!(matches!(told, Ok(_) | Err(ClusterError::ShuttingDown)), "{told:?}");
    }
    drop((receipts, counters, cluster));
    let cluster = start(&bed, &probe).await;
    for n in 0..20 {
        let counter = cluster.get::<Counter>(format!("c{n}"));
        assert_eq!(counter.add(0).await.unwrap(), 10);
    }
}

backends!(
    a_request_is_durable_before_its_first_line,
    an_outcome_committed_before_a_crash_is_the_callers,
    a_request_outlives_its_caller,
    requests_start_in_the_order_of_acceptance_through_crashes,
    ten_thousand_requests_start_in_order_through_a_full_mailbox,
    receipts_answer_after_a_restart,
    a_call_of_a_handler_that_runs_again_happens_once,
    an_inner_call_that_still_runs_is_joined_by_the_rerun,
    a_rerun_within_one_process_joins_its_earlier_calls,
    a_shutdown_in_the_middle_loses_nothing,
);

/// Notes whether its requests came in order.
#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
struct Order {
    next: i64,
    broken: bool,
}

#[entity]
impl Order {
    #[message(persisted)]
    fn next(&mut self, number: i64) -> i64 {
        self.broken |= number != self.next;
        self.next = number + 1;
        self.next
    }

    #[message]
    fn in_order(&self) -> bool {
        !self.broken
    }
}
