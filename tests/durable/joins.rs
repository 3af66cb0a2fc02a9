//! Callers with one key share one run and one outcome.

use tokio::spawn;

use crate::entities::{Desk, start};
use crate::support::{Bed, Probe, backends, settle};

// proves: B32
async fn a_joiner_accepted_in_the_commit_of_the_outcome_gets_it(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    probe.close("paper");
    let first = spawn({
        let desk = desk.clone();
        async move { desk.file("paper".into()).key("k").await }
    });
    probe.wait_for("paper", 1).await;
    // A commit of somebody else is under way, so the outcome and the joiner gather for the next
    // one.
    bed.door.hold_commits();
    let other = spawn({
        let other = cluster.get::<Desk>("other");
        async move { other.file("more".into()).await }
    });
    bed.door.commits_held(1).await;
    probe.open("paper");
    probe.wait_for("paper!", 1).await;
    let joiner = spawn({
        let desk = desk.clone();
        async move { desk.file("paper".into()).key("k").await }
    });
    settle().await;
    bed.door.release();

    assert_eq!(first.await.unwrap().unwrap(), 1);
    assert_eq!(joiner.await.unwrap().unwrap(), 1);
    assert_eq!(other.await.unwrap().unwrap(), 1);
    assert_eq!(probe.count("paper"), 1);
}

// proves: B32, B36
async fn a_hundred_callers_with_one_key_cause_one_run(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    probe.close("paper");
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let desk = desk.clone();
            spawn(async move { desk.file("paper".into()).key("k").await })
        })
        .collect();
    probe.wait_for("paper", 1).await;
    // All are accepted, and wait.
    while bed.door.accepts() < 100 {
        tokio::task::yield_now().await;
    }
    probe.open("paper");
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap(), 1);
    }
    assert_eq!(probe.count("paper"), 1);
    assert_eq!(desk.papers().await.unwrap(), ["paper"]);
}

backends!(
    a_joiner_accepted_in_the_commit_of_the_outcome_gets_it,
    a_hundred_callers_with_one_key_cause_one_run,
);
