//! A persisted request runs until one outcome is committed, in the order of acceptance, whatever
//! becomes of its caller and of the process. The same with real processes is in `processes`.

use cluster::ClusterBuilder;
use cluster::prelude::*;
use cluster::storage::{Fault, Write};
use tokio::spawn;

use crate::entities::{Counter, Desk, DeskFile, start, start_with};
use crate::support::{Bed, Probe, backends, is_waiting, settle};

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
    let outer = cluster.receipt::<crate::entities::DeskFileWithCopy>(id);
    assert_eq!(outer.outcome().await.unwrap(), 1);
    assert_eq!(cluster.get::<Desk>("copies").papers().await.unwrap(), ["copy of paper"]);
}

/// What a handler has called again, after calls that were surely not accepted, its rerun finds.
// proves: B41
async fn an_inner_call_that_was_refused_before_is_found_by_the_rerun(bed: Bed) {
    let probe = Probe::default();
    let once = |builder: ClusterBuilder| builder.config(|config| config.commit_attempts = 1);
    let cluster = start_with(&bed, &probe, once).await;
    probe.close("asking");
    probe.panic_at("paper", 1);
    let desk = cluster.get::<Desk>("d");
    let receipt = desk.insist_on_copy("paper".into(), "copies".into()).send().await.unwrap();
    probe.wait_for("asking", 1).await;
    bed.faulty().fail_next(Write::Commit, Fault::Refused, 3);
    probe.open("asking");
    assert_eq!(receipt.outcome().await.unwrap(), 1);
    assert_eq!((probe.count("paper"), probe.count("asking")), (2, 5));
    assert_eq!(cluster.get::<Desk>("copies").papers().await.unwrap(), ["copy of paper"]);
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
    receipts_answer_after_a_restart,
    an_inner_call_that_still_runs_is_joined_by_the_rerun,
    an_inner_call_that_was_refused_before_is_found_by_the_rerun,
    a_shutdown_in_the_middle_loses_nothing,
);
