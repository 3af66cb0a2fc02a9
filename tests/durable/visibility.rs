//! Nobody sees what a crash can undo.

use cluster::prelude::*;
use tokio::spawn;

use crate::entities::{Counter, Desk, start, start_with};
use crate::support::{Bed, Probe, backends, is_waiting, refused, settle};

// proves: B47
async fn no_changing_reply_leaves_before_its_commit(bed: Bed) {
    let cluster = start(&bed, &Probe::default()).await;
    let counter = cluster.get::<Counter>("c");
    assert_eq!(counter.add(1).await.unwrap(), 1);

    bed.door.hold_commits();
    let mut volatile = Box::pin(counter.bump(1).into_future());
    assert!(is_waiting(&mut volatile).await);
    bed.door.commits_held(1).await;
    assert!(is_waiting(&mut volatile).await);
    bed.door.release();
    assert_eq!(volatile.await.unwrap(), 2);

    let receipt = counter.add(1).send().await.unwrap();
    assert_eq!(receipt.outcome().await.unwrap(), 3);
    bed.door.hold_commits();
    let mut persisted = Box::pin(counter.add(1).into_future());
    assert!(is_waiting(&mut persisted).await);
    bed.door.pass_one();
    // Accepted and run; its outcome is at the door.
    bed.door.commits_held(2).await;
    assert!(is_waiting(&mut persisted).await);
    bed.door.release();
    assert_eq!(persisted.await.unwrap(), 4);
}

// proves: B48
async fn a_read_waits_for_the_changes_that_it_saw(bed: Bed) {
    let cluster = start(&bed, &Probe::default()).await;
    let counter = cluster.get::<Counter>("c");
    counter.add(1).await.unwrap();
    bed.door.hold_commits();
    let change = spawn({
        let counter = counter.clone();
        async move { counter.bump(1).await }
    });
    bed.door.commits_held(1).await;
    let mut read = Box::pin(counter.value().into_future());
    assert!(is_waiting(&mut read).await);
    bed.door.release();
    assert_eq!(read.await.unwrap(), 2);
    assert_eq!(change.await.unwrap().unwrap(), 2);
}

// proves: B48
async fn a_read_of_a_change_whose_commit_fails_is_never_answered(bed: Bed) {
    let probe = Probe::default();
    let cluster =
        start_with(&bed, &probe, |builder| builder.config(|config| config.commit_attempts = 1))
            .await;
    let desk = cluster.get::<Desk>("d");
    desk.file("kept".into()).await.unwrap();
    bed.door.hold_commits();
    let change = spawn({
        let desk = desk.clone();
        async move { desk.jot("lost".into()).await }
    });
    bed.door.commits_held(1).await;
    // The reader has seen the change, and is suspended while the commit fails.
    probe.close("look!");
    let read = spawn({
        let desk = desk.clone();
        async move { desk.look("look".into()).await }
    });
    probe.wait_for("look!", 1).await;
    bed.door.turn_away(refused());
    let failed = change.await.unwrap().unwrap_err();
    assert!(matches!(failed, ClusterError::OutcomeUnknown { .. }), "{failed}");
    bed.door.release();
    probe.open("look!");

    let read = read.await.unwrap();
    assert!(matches!(read, Err(ClusterError::OutcomeUnknown { .. })), "{read:?}");
    assert_eq!(desk.papers().await.unwrap(), ["kept"]);
}

// proves: B46, B48
async fn an_instance_made_of_an_uncommitted_state_does_not_outlive_it(bed: Bed) {
    let probe = Probe::default();
    let probe_of_desks = probe.clone();
    let cluster = bed
        .start(|builder| {
            let builder = builder.entity_with::<Opening>(move |_| Opening::new(&probe_of_desks));
            builder.config(|config| config.commit_attempts = 1)
        })
        .await;
    let opening = cluster.get::<Opening>("o");
    assert_eq!(opening.set(1).await.unwrap(), 1);
    bed.door.hold_commits();
    let lost = spawn({
        let opening = opening.clone();
        async move { opening.set(2).await }
    });
    bed.door.commits_held(1).await;
    // The instance is given up, and the next one is made of the uncommitted state, slowly.
    probe.close("open");
    let panics = spawn({
        let opening = opening.clone();
        async move { opening.panic().await }
    });
    let read = spawn({
        let opening = opening.clone();
        async move { opening.value().await }
    });
    probe.wait_for("open", 2).await;
    bed.door.turn_away(refused());
    assert!(lost.await.unwrap().is_err());
    bed.door.release();
    // It may have told what the lost commit would have shown.
    let panics = panics.await.unwrap();
    assert!(matches!(panics, Err(ClusterError::OutcomeUnknown { .. })), "{panics:?}");
    probe.open("open");
    let read = read.await.unwrap();
    assert!(matches!(read, Ok(1)), "{read:?}");
}

// proves: B47
async fn calls_of_a_handler_that_runs_ahead_wait_for_what_it_has_read(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    let copies = cluster.get::<Desk>("copies");
    desk.file("kept".into()).await.unwrap();
    copies.papers().await.unwrap();
    bed.door.hold_commits();
    let change = spawn({
        let desk = desk.clone();
        async move { desk.jot("first".into()).await }
    });
    bed.door.commits_held(1).await;
    // This one reads `first`, which is not durable, and calls another entity.
    let count = spawn({
        let desk = desk.clone();
        async move { desk.tell_count("copies".into()).await }
    });
    probe.wait_for("telling", 1).await;
    settle().await;
    assert_eq!(probe.count("told"), 0);
    bed.door.release();
    assert_eq!(change.await.unwrap().unwrap(), 2);
    assert_eq!(count.await.unwrap().unwrap(), 2);
    assert_eq!(probe.count("told"), 1);
}

// proves: B47, B48
async fn a_call_of_a_handler_whose_base_is_lost_is_never_made(bed: Bed) {
    let probe = Probe::default();
    let cluster =
        start_with(&bed, &probe, |builder| builder.config(|config| config.commit_attempts = 1))
            .await;
    let desk = cluster.get::<Desk>("d");
    cluster.get::<Desk>("copies").papers().await.unwrap();
    desk.file("kept".into()).await.unwrap();
    bed.door.hold_commits();
    let change = spawn({
        let desk = desk.clone();
        async move { desk.jot("lost".into()).await }
    });
    bed.door.commits_held(1).await;
    let count = spawn({
        let desk = desk.clone();
        async move { desk.tell_count("copies".into()).await }
    });
    probe.wait_for("telling", 1).await;
    bed.door.turn_away(refused());
    bed.door.release();
    assert!(change.await.unwrap().is_err());
    assert!(count.await.unwrap().is_err());
    assert_eq!(probe.count("told"), 0);
}

// proves: B250
async fn a_hot_entity_commits_many_requests_at_once_and_shows_none_before(bed: Bed) {
    let cluster = start(&bed, &Probe::default()).await;
    let counter = cluster.get::<Counter>("hot");
    counter.add(0).await.unwrap();
    let before = bed.door.calls("commit");
    let callers = (0..64).map(|_| {
        let (counter, door) = (counter.clone(), bed.door.clone());
        spawn(async move {
            for _ in 0..50 {
                let value = counter.add(1).await.unwrap();
                // What was answered is in a committed batch.
                assert!(door.committed_state_versions() >= u64::try_from(value).unwrap());
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    assert_eq!(counter.value().await.unwrap(), 64 * 50);
    let commits = bed.door.calls("commit") - before;
    assert!(commits < 64 * 50 / 10, "{commits} commits for 3,200 requests");
}

backends!(
    no_changing_reply_leaves_before_its_commit,
    a_read_waits_for_the_changes_that_it_saw,
    a_read_of_a_change_whose_commit_fails_is_never_answered,
    an_instance_made_of_an_uncommitted_state_does_not_outlive_it,
    calls_of_a_handler_that_runs_ahead_wait_for_what_it_has_read,
    a_call_of_a_handler_whose_base_is_lost_is_never_made,
    a_hot_entity_commits_many_requests_at_once_and_shows_none_before,
);

/// Takes its time to open.
#[derive(Entity)]
struct Opening {
    #[state]
    value: i64,
    probe: Probe,
}

impl Opening {
    fn new(probe: &Probe) -> Self {
        Opening { value: 0, probe: probe.clone() }
    }
}

#[entity]
impl Opening {
    #[activate]
    async fn open(&mut self) -> Result<(), std::fmt::Error> {
        self.probe.pass("open").await;
        Ok(())
    }

    #[message]
    fn set(&mut self, value: i64) -> i64 {
        self.value = value;
        self.value
    }

    #[message]
    fn panic(&mut self) {
        panic!("told to");
    }

    #[message]
    fn value(&self) -> i64 {
        self.value
    }
}
