//! What a handler does to the state holds when it returns `Ok`, and else never was.

use cluster::prelude::*;
use tokio::spawn;

use crate::entities::{Counter, Desk, DeskClient, start, start_with};
use crate::support::{Bed, Probe, backends, is_waiting, refused, settle};

// proves: B46
async fn after_a_panic_the_last_committed_state_is_seen(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    desk.file("kept".into()).await.unwrap();
    // Volatile and persisted, suspended and at once: all have changed the state when they panic.
    probe.panic_at("jotted!", 1);
    let defect = desk.jot("jotted".into()).await;
    assert!(matches!(defect, Err(ClusterError::Defect { attempts: 1, .. })), "{defect:?}");
    assert_eq!(desk.papers().await.unwrap(), ["kept"]);
    for paper in ["filed", "filed at once"] {
        probe.panic_at(&format!("{paper}!"), 3);
    }
    let defect = desk.file("filed".into()).await;
    assert!(matches!(defect, Err(ClusterError::Defect { attempts: 3, .. })), "{defect:?}");
    let defect = desk.file_at_once("filed at once".into()).await;
    assert!(matches!(defect, Err(ClusterError::Defect { attempts: 3, .. })), "{defect:?}");
    assert_eq!(desk.papers().await.unwrap(), ["kept"]);
}

// proves: B46
async fn a_panic_keeps_what_was_done_before_it_and_is_not_committed_yet(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    desk.file("first".into()).await.unwrap();
    probe.close("second");
    let second = file(&desk, "second");
    probe.wait_for("second", 1).await;
    bed.door.hold_commits();
    probe.open("second");
    bed.door.commits_held(1).await;
    probe.panic_at("panics!", 1);
    // Its notice may tell of what is not committed yet.
    let mut defect = Box::pin(desk.jot("panics".into()).into_future());
    assert!(is_waiting(&mut defect).await);
    let mut read = Box::pin(desk.papers().into_future());
    assert!(is_waiting(&mut read).await);
    bed.door.release();
    let defect = defect.await;
    assert!(matches!(defect, Err(ClusterError::Defect { .. })), "{defect:?}");
    assert_eq!(read.await.unwrap(), ["first", "second"]);
    assert_eq!(second.await.unwrap().unwrap(), 2);
    assert_eq!(probe.count("second"), 1);
}

fn file(
    desk: &DeskClient,
    paper: &'static str,
) -> tokio::task::JoinHandle<Result<usize, ClusterError>> {
    let desk = desk.clone();
    spawn(async move { desk.file(paper.into()).await })
}

// proves: B44
async fn state_and_outcome_are_in_one_batch_or_in_none(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    desk.file("kept".into()).await.unwrap();
    desk.file_and_send("sent".into(), "other".into()).await.unwrap();
    // The handler's end is one batch: its state, its outcome, and what it sends.
    let commits = bed.door.commits();
    let ends = commits.iter().filter(|batch| !batch.outcomes.is_empty());
    for batch in ends {
        assert!(!batch.states.is_empty(), "an outcome without its state");
    }
    let with_outbox = |batch: &&std::sync::Arc<cluster::storage::Batch>| {
        batch.accepts.iter().any(|row| row.outer.is_some())
    };
    let sending: Vec<_> = commits.iter().filter(with_outbox).collect();
    assert_eq!(sending.len(), 1);
    assert!(!sending[0].outcomes.is_empty() && !sending[0].states.is_empty());
}

// proves: B53
async fn a_state_over_its_limit_is_refused_and_the_one_before_stays(bed: Bed) {
    let probe = Probe::default();
    let cluster =
        start_with(&bed, &probe, |builder| builder.config(|c| c.payload_bytes_max = 1_000)).await;
    let desk = cluster.get::<Desk>("d");
    let paper = |letter: &str| letter.repeat(400);
    assert_eq!(desk.file(paper("a")).await.unwrap(), 1);
    assert_eq!(desk.file(paper("b")).await.unwrap(), 2);
    for _ in 0..2 {
        let over = desk.file(paper("c")).key("over").await;
        let Err(ClusterError::LimitExceeded { limit, max: 1_000, actual, .. }) = over else {
            panic!("{over:?}");
        };
        assert_eq!(limit, "payload_bytes_max");
        assert!(actual > 1_000);
    }
    assert_eq!(probe.count(&paper("c")), 1);
    // It keeps serving.
    assert_eq!(desk.papers().await.unwrap().len(), 2);
    let over = desk.jot(paper("d")).await;
    assert!(matches!(over, Err(ClusterError::LimitExceeded { .. })), "{over:?}");
    assert_eq!(desk.papers().await.unwrap(), [paper("a"), paper("b")]);
    assert_eq!(desk.file("small".into()).await.unwrap(), 3);
    drop((desk, cluster));
    let cluster = start(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    assert_eq!(desk.papers().await.unwrap().len(), 3);
    // The failure is the stored outcome.
    let over = desk.file(paper("c")).key("over").await;
    assert!(matches!(over, Err(ClusterError::LimitExceeded { max: 1_000, .. })), "{over:?}");
    assert_eq!(probe.count(&paper("c")), 1);
}

// proves: B44, B246
async fn a_conflict_of_one_entity_harms_no_other(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let (one, other) = (cluster.get::<Counter>("one"), cluster.get::<Counter>("other"));
    for counter in [&one, &other] {
        assert_eq!(counter.add(1).await.unwrap(), 1);
    }
    bed.door.hold_commits();
    let calls = [&one, &other].map(|counter| {
        let counter = counter.clone();
        spawn(async move { counter.bump(1).await })
    });
    bed.door.commits_held(1).await;
    // The first attempt meets a state of another version, as if somebody else had written it.
    let batch_of_one = bed.door.calls("commit");
    bed.door.turn_away(cluster::storage::StorageError::StateConflict {
        entity_type: "Counter".into(),
        entity_id: "one".into(),
        expected: cluster::id::StateVersion::new(1),
        found: cluster::id::StateVersion::new(7),
    });
    bed.door.release();
    let [first, second] = calls;
    let lost = first.await.unwrap();
    assert!(matches!(lost, Err(ClusterError::OutcomeUnknown { .. })), "{lost:?}");
    assert_eq!(second.await.unwrap().unwrap(), 2);
    assert!(bed.door.calls("commit") > batch_of_one);
    assert_eq!((one.value().await.unwrap(), other.value().await.unwrap()), (1, 2));
    // Rebuilt from the stored state, it goes on from the stored version.
    assert_eq!(one.add(1).await.unwrap(), 2);
}

/// What was in one batch with it is written as it was, with the outcome of its request.
// proves: B39, B44
async fn a_conflict_of_one_entity_leaves_the_outcome_of_another(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let [one, other] = ["one", "other"].map(|desk| cluster.get::<Desk>(desk));
    for desk in [&one, &other] {
        assert_eq!(desk.file("kept".into()).await.unwrap(), 1);
    }
    probe.close("lost once");
    probe.close("beside");
    let first = file(&one, "lost once");
    let second = spawn(async move { other.file("beside".into()).key("k").await });
    probe.wait_for("lost once", 1).await;
    probe.wait_for("beside", 1).await;
    // While another batch waits, both ends come together in the next one.
    bed.door.hold_commits();
    let before = cluster.get::<Counter>("before");
    let before = spawn(async move { before.bump(1).await });
    bed.door.commits_held(1).await;
    probe.open("lost once");
    probe.open("beside");
    settle().await;
    bed.door.pass_one();
    bed.door.commits_held(2).await;
    bed.door.turn_away(cluster::storage::StorageError::StateConflict {
        entity_type: "Desk".into(),
        entity_id: "one".into(),
        expected: cluster::id::StateVersion::new(1),
        found: cluster::id::StateVersion::new(7),
    });
    bed.door.release();
    assert_eq!(before.await.unwrap().unwrap(), 1);
    assert_eq!(second.await.unwrap().unwrap(), 2);
    // It runs again from the stored state.
    assert_eq!(first.await.unwrap().unwrap(), 2);
    assert_eq!((probe.count("lost once"), probe.count("beside")), (2, 1));
    drop((one, cluster));
    let cluster = start(&bed, &probe).await;
    let other = cluster.get::<Desk>("other");
    assert_eq!(other.file("beside".into()).key("k").await.unwrap(), 2);
    assert_eq!(other.papers().await.unwrap(), ["kept", "beside"]);
    assert_eq!(probe.count("beside"), 1);
}

// proves: B246
async fn every_state_is_written_over_the_version_it_came_from(bed: Bed) {
    let probe = Probe::default();
    let mut cluster = start(&bed, &probe).await;
    for round in 0..3 {
        let counter = cluster.get::<Counter>("c");
        for n in 0..20 {
            if n == 7 {
                bed.door.fail("commit", 1);
            }
            let calls = [counter.add(1), counter.add(1), counter.add(1)];
            futures_util::future::join_all(calls.map(IntoFuture::into_future)).await;
        }
        assert_eq!(counter.value().await.unwrap(), (round + 1) * 60);
        drop((counter, cluster));
        cluster = start(&bed, &probe).await;
    }
    let mut version = cluster::id::StateVersion::default();
    for write in bed.door.commits().iter().flat_map(|batch| &batch.states) {
        assert_eq!(write.from, version);
        assert!(write.to > version);
        version = write.to;
    }
    assert_eq!(version.as_u64(), 180);
}

// A storage that fails for longer than a commit is tried ends no accepted request, and what it did
// not accept never runs.
async fn storage_that_fails_for_long_ends_no_request(bed: Bed) {
    let probe = Probe::default();
    let cluster =
        start_with(&bed, &probe, |builder| builder.config(|c| c.commit_attempts = 1)).await;
    let desk = cluster.get::<Desk>("d");
    desk.file("kept".into()).await.unwrap();
    probe.close("paper");
    let call = file(&desk, "paper");
    probe.wait_for("paper", 1).await;
    bed.door.fail("commit", 5);
    probe.open("paper");
    assert_eq!(call.await.unwrap().unwrap(), 2);
    assert_eq!(desk.papers().await.unwrap(), ["kept", "paper"]);
    // What is not accepted is told so, and surely never runs.
    bed.door.hold_commits();
    let mut refused_call = Box::pin(desk.file("refused".into()).into_future());
    assert!(is_waiting(&mut refused_call).await);
    bed.door.turn_away(refused());
    let told = refused_call.await.unwrap_err();
    assert!(matches!(told, ClusterError::Persistence { .. }) && told.is_retryable(), "{told}");
    bed.door.release();
    assert_eq!(desk.papers().await.unwrap(), ["kept", "paper"]);
}

backends!(
    after_a_panic_the_last_committed_state_is_seen,
    a_panic_keeps_what_was_done_before_it_and_is_not_committed_yet,
    state_and_outcome_are_in_one_batch_or_in_none,
    a_state_over_its_limit_is_refused_and_the_one_before_stays,
    a_conflict_of_one_entity_harms_no_other,
    a_conflict_of_one_entity_leaves_the_outcome_of_another,
    every_state_is_written_over_the_version_it_came_from,
    storage_that_fails_for_long_ends_no_request,
);
