//! Commits whose outcome nobody knows: connection lost while committing.

use cluster::prelude::*;
use cluster::storage::{Fault, Write};
use tokio::spawn;

use crate::entities::{Counter, Desk, start, start_with};
use crate::support::{Bed, Probe, backends, refused, unknown};

// proves: B52
async fn increments_with_unknown_commits_that_are_done_count_once(bed: Bed) {
    count_to_500(bed, Fault::DoneUnknown).await;
}

// proves: B52
async fn increments_with_unknown_commits_that_are_lost_count_once(bed: Bed) {
    count_to_500(bed, Fault::LostUnknown).await;
}

// proves: B52, B245
async fn increments_with_unknown_commits_that_come_late_count_once(bed: Bed) {
    count_to_500(bed, Fault::LateUnknown).await;
}

/// Every commit of every increment has an unknown outcome: that of its acceptance and that of its
/// end.
async fn count_to_500(bed: Bed, fault: Fault) {
    let cluster = start(&bed, &Probe::default()).await;
    let counter = cluster.get::<Counter>("c");
    let faulty = bed.faulty();
    for n in 1..=500 {
        // The one that follows an unknown one settles it, so every other commit is hit.
        faulty.fail_next(Write::Commit, fault, 1);
        let receipt = counter.add(1).send().await.unwrap();
        faulty.fail_next(Write::Commit, fault, 1);
        assert_eq!(receipt.outcome().await.unwrap(), n);
    }
    assert_eq!(counter.value().await.unwrap(), 500);
    let counts = faulty.counts();
    let late = counts.late_stored + counts.late_refused;
    let unknown = counts.done_unknown + counts.lost_unknown + late;
    assert!(unknown >= 500, "{counts:?}");
    drop((counter, cluster, faulty));
    let cluster = start(&bed, &Probe::default()).await;
    assert_eq!(cluster.get::<Counter>("c").value().await.unwrap(), 500);
}

// proves: B245
async fn an_unknown_commit_is_settled_however_long_the_storage_is_away(bed: Bed) {
    let probe = Probe::default();
    let cluster =
        start_with(&bed, &probe, |builder| builder.config(|config| config.commit_attempts = 2))
            .await;
    let desk = cluster.get::<Desk>("d");
    probe.close("paper");
    let call = spawn({
        let desk = desk.clone();
        async move { desk.file("paper".into()).await }
    });
    probe.wait_for("paper", 1).await;
    bed.door.hold_answers();
    probe.open("paper");
    // The outcome is committed, the answer is lost, and then the storage refuses for a while.
    bed.door.answers_held(1).await;
    bed.door.fail("commit", 4);
    bed.door.answer_with(unknown());
    bed.door.release();

    assert_eq!(call.await.unwrap().unwrap(), 1);
    assert_eq!(desk.papers().await.unwrap(), ["paper"]);
    assert_eq!(probe.count("paper"), 1);
    assert_eq!(bed.door.failures_left("commit"), 0);
}

// proves: B245
async fn an_acceptance_with_unknown_outcome_is_settled_however_long_it_takes(bed: Bed) {
    let probe = Probe::default();
    let cluster =
        start_with(&bed, &probe, |builder| builder.config(|config| config.commit_attempts = 2))
            .await;
    let desk = cluster.get::<Desk>("d");
    bed.door.hold_answers();
    let call = spawn({
        let desk = desk.clone();
        async move { desk.file("paper".into()).await }
    });
    bed.door.answers_held(1).await;
    bed.door.fail("commit", 4);
    bed.door.answer_with(unknown());
    bed.door.release();

    assert_eq!(call.await.unwrap().unwrap(), 1);
    assert_eq!(probe.count("paper"), 1);
}

// proves: B245
async fn the_fence_is_raised_before_anything_is_written_again(bed: Bed) {
    let cluster = start(&bed, &Probe::default()).await;
    let counter = cluster.get::<Counter>("c");
    assert_eq!(counter.add(1).await.unwrap(), 1);
    let (raises, commits) = (bed.door.calls("raise_fence"), bed.door.calls("commit"));
    bed.door.hold_answers();
    let call = spawn({
        let counter = counter.clone();
        async move { counter.add(1).await }
    });
    bed.door.answers_held(1).await;
    // Until the fence can be raised, nothing is committed.
    bed.door.fail("raise_fence", 3);
    bed.door.answer_with(unknown());
    bed.door.called("raise_fence", raises + 3).await;
    assert_eq!(bed.door.calls("commit"), commits + 1);
    bed.door.release();
    assert_eq!(call.await.unwrap().unwrap(), 2);
    assert_eq!(bed.door.calls("raise_fence"), raises + 4);
}

// proves: B37, B44
async fn a_sure_failure_runs_what_was_built_on_it_again_in_order(bed: Bed) {
    let probe = Probe::default();
    let cluster =
        start_with(&bed, &probe, |builder| builder.config(|config| config.commit_attempts = 1))
            .await;
    let desk = cluster.get::<Desk>("d");
    desk.file("start".into()).await.unwrap();
    probe.close("a");
    let calls: Vec<_> = ["a", "b", "c"].map(|paper| spawn_file(&desk, paper)).into();
    probe.wait_for("a", 1).await;
    bed.door.hold_commits();
    probe.open("a");
    bed.door.commits_held(1).await;
    // `b` and `c` have run ahead of the commit of `a`.
    probe.wait_for("c!", 1).await;
    bed.door.turn_away(refused());
    bed.door.commits_held(2).await;
    bed.door.release();

    for (at, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.unwrap().unwrap(), at + 2);
    }
    assert_eq!(desk.papers().await.unwrap(), ["start", "a", "b", "c"]);
    assert_eq!([probe.count("a"), probe.count("b"), probe.count("c")], [2, 2, 2]);
}

fn spawn_file(
    desk: &crate::entities::DeskClient,
    paper: &str,
) -> tokio::task::JoinHandle<Result<usize, ClusterError>> {
    let (desk, paper) = (desk.clone(), paper.to_owned());
    spawn(async move { desk.file(paper).await })
}

// proves: B47
async fn a_volatile_caller_hears_that_its_commit_failed(bed: Bed) {
    let cluster = start_with(&bed, &Probe::default(), |builder| {
        builder.config(|config| config.commit_attempts = 1)
    })
    .await;
    let counter = cluster.get::<Counter>("c");
    assert_eq!(counter.bump(1).await.unwrap(), 1);
    bed.door.fail("commit", 1);
    let failed = counter.bump(1).await.unwrap_err();
    assert!(matches!(failed, ClusterError::OutcomeUnknown { message: "bump", .. }), "{failed}");
    assert_eq!(counter.value().await.unwrap(), 1);
    assert_eq!(counter.bump(1).await.unwrap(), 2);
}

backends!(
    increments_with_unknown_commits_that_are_done_count_once,
    increments_with_unknown_commits_that_are_lost_count_once,
    increments_with_unknown_commits_that_come_late_count_once,
    an_unknown_commit_is_settled_however_long_the_storage_is_away,
    an_acceptance_with_unknown_outcome_is_settled_however_long_it_takes,
    the_fence_is_raised_before_anything_is_written_again,
    a_sure_failure_runs_what_was_built_on_it_again_in_order,
    a_volatile_caller_hears_that_its_commit_failed,
);
