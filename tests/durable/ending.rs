//! The end of a cluster, in the middle of everything: nothing is lost, nobody waits for ever, and
//! nothing is kept.

use std::future::pending;
use std::sync::mpsc::sync_channel;

use cluster::prelude::*;
use cluster::storage::StorageError;
use tokio::spawn;

use crate::entities::{Counter, Desk, DeskFile, start, start_with};
use crate::support::{Bed, Probe, backends, is_waiting, settle, soon, unknown};

// proves: B90
async fn an_end_while_an_attempt_is_counted_keeps_nothing(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    probe.close("paper");
    probe.panic_at("paper!", 1);
    let id = cluster.get::<Desk>("d").file("paper".into()).send().await.unwrap().id();
    probe.wait_for("paper", 1).await;
    bed.door.hold_answers();
    probe.open("paper");
    bed.door.answers_held(1).await;
    drop(cluster);
    settle().await;
    bed.door.release();
    // Waits until the first one has let go of the storage.
    let cluster = start(&bed, &probe).await;
    assert_eq!(cluster.receipt::<DeskFile>(id).outcome().await.unwrap(), 1);
    assert_eq!(probe.count("paper"), 2);
}

// proves: B38, B39
async fn callers_are_told_when_the_cluster_ends_before_their_outcome(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    probe.close("runs");
    let mut calls: Vec<_> = ["runs", "waits"]
        .into_iter()
        .map(|paper| Box::pin(desk.file(paper.into()).key(paper).into_future()))
        .collect();
    calls.push(Box::pin(desk.file("runs".into()).key("runs").into_future()));
    for call in &mut calls {
        assert!(is_waiting(call).await);
    }
    probe.wait_for("runs", 1).await;
    drop((cluster, desk));
    for call in calls {
        let told = call.await;
        assert!(matches!(told, Err(ClusterError::ShuttingDown)), "{told:?}");
    }
    let cluster = start(&bed, &probe).await;
    probe.open("runs");
    let desk = cluster.get::<Desk>("d");
    assert_eq!(desk.file("runs".into()).key("runs").await.unwrap(), 1);
    assert_eq!(desk.file("waits".into()).key("waits").await.unwrap(), 2);
}

// proves: B39
async fn a_shutdown_ends_though_the_storage_has_gone(bed: Bed) {
    let probe = Probe::default();
    let cluster =
        start_with(&bed, &probe, |builder| builder.config(|config| config.commit_attempts = 2))
            .await;
    let counter = cluster.get::<Counter>("c");
    // The look at the start must not find it before its acceptance was told.
    cluster.caught_up().await.unwrap();
    bed.door.hold_answers();
    let mut call = Box::pin(counter.add(1).into_future());
    assert!(is_waiting(&mut call).await);
    bed.door.answers_held(1).await;
    // The outcome of a commit is unknown, and the storage does not come back.
    bed.door.fail("commit", u32::MAX);
    bed.door.fail("raise_fence", u32::MAX);
    bed.door.fail("leave", 1);
    bed.door.answer_with(unknown());
    bed.door.called("raise_fence", 1).await;
    assert!(cluster.shutdown().await.is_err());
    let told = call.await;
    assert!(matches!(told, Err(ClusterError::OutcomeUnknown { .. })), "{told:?}");
    drop((counter, cluster));
    for call in ["commit", "raise_fence"] {
        bed.door.fail(call, 0);
    }
    bed.door.release();
    // It was accepted, and runs now.
    let cluster = start(&bed, &probe).await;
    let counter = cluster.get::<Counter>("c");
    while counter.value().await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(counter.add(0).await.unwrap(), 1);
}

// proves: B47
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_outlives_its_cluster_hangs_nobody() {
    let bed = Bed::memory();
    let (enter, entered) = sync_channel(1);
    let (leave, left) = sync_channel::<()>(1);
    let (enter, left) = (std::sync::Mutex::new(enter), std::sync::Mutex::new(left));
    let ends = std::sync::Arc::new((enter, left));
    let cluster = bed
        .start(|builder| {
            builder.entity_with::<Blocking>(move |_| Blocking { value: 0, ends: ends.clone() })
        })
        .await;
    let blocking = cluster.get::<Blocking>("b");
    assert_eq!(blocking.value().await.unwrap(), 0);
    let call = spawn({
        let blocking = blocking.clone();
        async move { blocking.block().await }
    });
    entered.recv().unwrap();
    // The handler holds a thread and no poll; the cluster ends meanwhile.
    drop(cluster);
    leave.send(()).unwrap();
    let told = soon(call).await.unwrap();
    let ended =
        matches!(told, Err(ClusterError::OutcomeUnknown { .. } | ClusterError::ShuttingDown));
    assert!(ended, "{told:?}");
    assert!(matches!(blocking.value().await, Err(ClusterError::ShuttingDown)));
}

// proves: B39
async fn a_shutdown_lets_running_handlers_finish(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    probe.close("paper");
    let running = spawn({
        let desk = desk.clone();
        async move { desk.file("paper".into()).await }
    });
    probe.wait_for("paper", 1).await;
    let waiting = desk.file("waits".into()).send().await.unwrap().id();
    let ends = spawn({
        let cluster = cluster.clone();
        async move { cluster.shutdown().await }
    });
    settle().await;
    assert!(cluster.is_shutting_down() && !ends.is_finished());
    let refused = desk.file("late".into()).await;
    assert!(matches!(refused, Err(ClusterError::ShuttingDown)), "{refused:?}");
    probe.open("paper");
    assert_eq!(running.await.unwrap().unwrap(), 1);
    ends.await.unwrap().unwrap();
    drop((desk, cluster));
    let cluster = start(&bed, &probe).await;
    assert_eq!(cluster.receipt::<DeskFile>(waiting).outcome().await.unwrap(), 2);
    assert_eq!((probe.count("paper"), probe.count("late")), (1, 0));
}

async fn a_runner_that_is_fenced_off_writes_and_answers_nothing(bed: Bed) {
    if bed.is_a_file() {
        // The file's lock keeps a second runner out, which tests of the storage prove.
        return;
    }
    let probe = Probe::default();
    let first = start(&bed, &probe).await;
    let counter = first.get::<Counter>("c");
    assert_eq!(counter.add(1).await.unwrap(), 1);
    let second = bed.start_beside(|builder| builder.entity::<Counter>()).await;
    let told = counter.bump(1).await;
    assert!(told.is_err(), "{told:?}");
    let told = counter.add(1).await;
    assert!(told.is_err(), "{told:?}");
    while !first.is_shutting_down() {
        tokio::task::yield_now().await;
    }
    assert!(matches!(counter.value().await, Err(ClusterError::ShuttingDown)));
    assert_eq!(second.get::<Counter>("c").add(1).await.unwrap(), 2);
}

/// A service learns that it serves no more, and ends.
async fn who_is_taken_over_ends_with_an_error(bed: Bed) {
    if bed.is_a_file() {
        return;
    }
    let probe = Probe::default();
    let first = start_with(&bed, &probe, |builder| {
        builder.config(|config| config.renewal = Duration::from_millis(20))
    });
    let first = first.await;
    let mut serves = Box::pin(first.clone().run_until(pending::<()>()));
    assert!(is_waiting(&mut serves).await);
    // Nobody calls it: it learns of that when it renews its lease.
    let _second = bed.start_beside(|builder| builder.entity::<Counter>()).await;
    let ended = serves.await.unwrap_err();
    let cluster::Error::Storage(StorageError::Fenced { .. }) = ended else { panic!("{ended:?}") };
}

async fn a_signal_ends_gracefully(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    probe.close("paper");
    let filing = spawn(cluster.get::<Desk>("d").file("paper".into()).into_future());
    probe.wait_for("paper", 1).await;
    let (send, signal) = tokio::sync::oneshot::channel::<()>();
    let serves = spawn(cluster.clone().run_until(signal));
    settle().await;
    assert!(!cluster.is_shutting_down() && !serves.is_finished());
    send.send(()).unwrap();
    while !cluster.is_shutting_down() {
        tokio::task::yield_now().await;
    }
    assert!(!serves.is_finished());
    probe.open("paper");
    assert_eq!(filing.await.unwrap().unwrap(), 1);
    serves.await.unwrap().unwrap();
}

// proves: B245
async fn an_acceptance_of_which_nobody_knows_is_not_called_a_failure(bed: Bed) {
    if bed.is_a_file() {
        return;
    }
    let probe = Probe::default();
    let first = start(&bed, &probe).await;
    let counter = first.get::<Counter>("c");
    // The look at the start must not find it before its acceptance was told.
    first.caught_up().await.unwrap();
    bed.door.hold_answers();
    let mut call = Box::pin(counter.add(1).into_future());
    assert!(is_waiting(&mut call).await);
    bed.door.answers_held(1).await;
    let second = bed.start_beside(|builder| builder.entity::<Counter>()).await;
    bed.door.answer_with(unknown());
    let told = call.await.unwrap_err();
    assert!(matches!(told, ClusterError::OutcomeUnknown { .. }), "{told}");
    assert!(!told.is_retryable());
    bed.door.release();
    // It was accepted, and the new runner has run it.
    let counter = second.get::<Counter>("c");
    assert_eq!(counter.add(0).await.unwrap(), 1);
}

backends!(
    an_end_while_an_attempt_is_counted_keeps_nothing,
    callers_are_told_when_the_cluster_ends_before_their_outcome,
    a_shutdown_ends_though_the_storage_has_gone,
    a_shutdown_lets_running_handlers_finish,
    a_runner_that_is_fenced_off_writes_and_answers_nothing,
    an_acceptance_of_which_nobody_knows_is_not_called_a_failure,
    who_is_taken_over_ends_with_an_error,
    a_signal_ends_gracefully,
);

/// Blocks its thread.
#[derive(Entity)]
struct Blocking {
    #[state]
    value: i64,
    ends: std::sync::Arc<Ends>,
}

type Ends = (
    std::sync::Mutex<std::sync::mpsc::SyncSender<()>>,
    std::sync::Mutex<std::sync::mpsc::Receiver<()>>,
);

#[entity]
impl Blocking {
    #[message]
    fn block(&mut self) -> i64 {
        self.value += 1;
        self.ends.0.lock().unwrap().send(()).unwrap();
        self.ends.1.lock().unwrap().recv().unwrap();
        self.value
    }

    #[message]
    fn value(&self) -> i64 {
        self.value
    }
}
