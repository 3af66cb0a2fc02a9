//! A request that keeps failing is tried again with back-off, then becomes a dead letter; nobody
//! else suffers.

use cluster::prelude::*;
use cluster::{DeadLetter, EntityOptions};
use futures_util::StreamExt;
use tokio::spawn;

use crate::entities::{Desk, Refusal, start, start_with};
use crate::support::{Bed, Probe, backends, settle};

async fn dead_letters(cluster: &Cluster) -> Vec<DeadLetter> {
    cluster.dead_letters().list().map(Result::unwrap).collect().await
}

// proves: B89
async fn a_panic_runs_only_its_own_request_again(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    probe.panic_at("5!", 1);
    bed.door.hold_commits();
    let calls: Vec<_> = (0..11)
        .map(|n| {
            // The panicking one's neighbours are of its own entity and of others.
            let desk = if n % 2 == 1 { desk.clone() } else { cluster.get::<Desk>(format!("d{n}")) };
            spawn(async move { desk.file(n.to_string()).await })
        })
        .collect();
    bed.door.commits_held(1).await;
    settle().await;
    bed.door.release();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let counts: Vec<_> = (0..11).map(|n| probe.count(&n.to_string())).collect();
    assert_eq!(counts, [1, 1, 1, 1, 1, 2, 1, 1, 1, 1, 1]);
    let mut papers = desk.papers().await.unwrap();
    papers.sort();
    assert_eq!(papers, ["1", "3", "5", "7", "9"]);
}

/// Waits until so many failed attempts are committed.
async fn attempts_written(bed: &Bed, many: usize) {
    while bed.door.attempts() < many {
        tokio::task::yield_now().await;
    }
    settle().await;
}

// proves: B90
async fn a_clock_set_back_does_not_prolong_a_back_off(bed: Bed) {
    let bed = bed.with_virtual_time();
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    probe.panic_at("paper", 1);
    bed.door.hold_commits();
    let receipt = spawn({
        let desk = cluster.get::<Desk>("d");
        async move { desk.file("paper".into()).send().await }
    });
    bed.door.commits_held(1).await;
    bed.door.pass_one();
    let receipt = receipt.await.unwrap().unwrap();
    // The attempt is about to be counted when the clock goes back by an hour.
    bed.door.commits_held(2).await;
    bed.time().jump_wall_clock(-3_600_000);
    bed.door.release();
    attempts_written(&bed, 1).await;
    bed.advance(Duration::from_millis(20)).await;
    probe.wait_for("paper", 2).await;
    assert_eq!(receipt.outcome().await.unwrap(), 1);
}

// proves: B90
async fn an_attempt_that_cannot_be_counted_at_once_is_not_made_twice(bed: Bed) {
    let probe = Probe::default();
    let cluster =
        start_with(&bed, &probe, |builder| builder.config(|c| c.commit_attempts = 1)).await;
    let desk = cluster.get::<Desk>("d");
    probe.close("paper");
    probe.panic_at("paper!", 3);
    let call = spawn(async move { desk.file("paper".into()).await });
    probe.wait_for("paper", 1).await;
    bed.door.fail("commit", 3);
    probe.open("paper");
    let defect = call.await.unwrap();
    assert!(matches!(defect, Err(ClusterError::Defect { attempts: 3, .. })), "{defect:?}");
    assert_eq!(bed.door.failures_left("commit"), 0);
    assert_eq!(probe.count("paper"), 3);
}

// proves: B36, B91
async fn everybody_who_waits_for_a_dead_letter_is_told(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    probe.close("paper");
    probe.panic_at("paper!", 100);
    let receipt = cluster.get::<Desk>("d").file("paper".into()).key("k").send().await.unwrap();
    probe.wait_for("paper", 1).await;
    let joiners: Vec<_> = (0..10)
        .map(|_| {
            let desk = cluster.get::<Desk>("d");
            spawn(async move { desk.file("paper".into()).key("k").await })
        })
        .collect();
    let waiting = spawn(async move { receipt.outcome().await });
    settle().await;
    probe.open("paper");
    for joiner in joiners {
        let told = joiner.await.unwrap();
        assert!(matches!(told, Err(ClusterError::Defect { .. })), "{told:?}");
    }
    let told = waiting.await.unwrap();
    assert!(matches!(told, Err(ClusterError::Defect { .. })), "{told:?}");
}

/// What was due at a time, or has failed, is looked for in more places when it ends; what was
/// called just now is not.
// proves: B90
async fn what_stands_elsewhere_is_known_when_it_ends(bed: Bed) {
    let bed = bed.with_virtual_time();
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    let ends = || -> Vec<bool> {
        let commits = bed.door.commits();
        commits.iter().flat_map(|batch| &batch.outcomes).map(|end| end.elsewhere).collect()
    };
    // While a start still loads, what is called goes by way of the storage.
    while ends().last() != Some(&false) {
        desk.file("plain".into()).await.unwrap();
    }
    let ten = Duration::from_secs(10);
    let later = desk.file("later".into()).after(ten).send().await.unwrap();
    bed.advance(ten).await;
    later.outcome().await.unwrap();
    probe.panic_at("paper", 1);
    let again = desk.file("paper".into()).send().await.unwrap();
    attempts_written(&bed, 1).await;
    bed.advance(ten).await;
    again.outcome().await.unwrap();
    bed.door.at_rest().await;
    assert!(ends().ends_with(&[false, true, true]), "{:?}", ends());
}

// proves: B90, B92
async fn a_request_in_back_off_outlives_its_entitys_stay_in_memory(bed: Bed) {
    let bed = bed.with_virtual_time();
    let probe = Probe::default();
    let cluster = start_with(&bed, &probe, |builder| {
        let idle = EntityOptions { idle: Some(Duration::from_millis(10)), ..Default::default() };
        builder.options::<Desk>(idle).config(|config| {
            config.backoff_min = Duration::from_secs(10);
            config.backoff_max = Duration::from_secs(10);
        })
    })
    .await;
    let desk = cluster.get::<Desk>("d");
    probe.panic_at("paper", 1);
    let receipt = desk.file("paper".into()).send().await.unwrap();
    attempts_written(&bed, 1).await;
    assert_eq!(desk.file("other".into()).await.unwrap(), 1);
    drop(desk);
    bed.advance(Duration::from_secs(5)).await;
    assert_eq!(cluster.stats().resident_entities, 0);
    assert_eq!(cluster.get::<Desk>("d").papers().await.unwrap(), ["other"]);
    bed.advance(Duration::from_secs(5)).await;
    probe.wait_for("paper", 2).await;
    assert_eq!(receipt.outcome().await.unwrap(), 2);
    assert_eq!(probe.count("paper"), 2);
}

// proves: B260
async fn trouble_of_the_cluster_is_no_outcome(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    desk.file("kept".into()).await.unwrap();
    probe.trouble_at("paper", 2);
    assert_eq!(desk.file_unless_trouble("paper".into()).key("k").await.unwrap(), 2);
    assert_eq!(probe.count("paper"), 3);
    assert_eq!(desk.papers().await.unwrap(), ["kept", "paper"]);
    // Its own error is the outcome, at once and for ever.
    for _ in 0..2 {
        let refused = desk.file_unless_trouble(String::new()).key("empty").await;
        assert!(matches!(refused, Err(CallError::Entity(Refusal::No { at: 0 }))), "{refused:?}");
    }
    assert_eq!(probe.count(""), 1);
    // Trouble that does not end makes a dead letter, which names it.
    probe.trouble_at("worse", 100);
    let defect = desk.file_unless_trouble("worse".into()).await.unwrap_err();
    let CallError::Cluster(ClusterError::Defect { attempts: 3, reason, .. }) = defect else {
        panic!("{defect}");
    };
    assert!(reason.contains("trouble"), "{reason}");
    assert_eq!(desk.papers().await.unwrap(), ["kept", "paper"]);
    // A volatile caller gets the error itself.
    probe.trouble_at("jotted", 1);
    let told = desk.jot_unless_trouble("jotted".into()).await;
    let Err(CallError::Cluster(ClusterError::Persistence { source })) = told else {
        panic!("{told:?}");
    };
    assert_eq!(source.to_string(), "trouble");
    assert_eq!(desk.papers().await.unwrap(), ["kept", "paper"]);
}

// proves: B90
async fn a_dead_letter_that_cannot_be_written_at_once_is_not_tried_again(bed: Bed) {
    let probe = Probe::default();
    let cluster = start_with(&bed, &probe, |builder| {
        builder.config(|config| {
            config.attempts = 1;
            config.commit_attempts = 1;
        })
    })
    .await;
    let desk = cluster.get::<Desk>("d");
    probe.panic_at("paper", 100);
    let receipt = desk.file("paper".into()).send().await.unwrap();
    drop(receipt);
    probe.wait_for("paper", 1).await;
    bed.door.fail("commit", 2);
    while dead_letters(&cluster).await.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(probe.count("paper"), 1);
}

backends!(
    a_panic_runs_only_its_own_request_again,
    a_clock_set_back_does_not_prolong_a_back_off,
    an_attempt_that_cannot_be_counted_at_once_is_not_made_twice,
    everybody_who_waits_for_a_dead_letter_is_told,
    what_stands_elsewhere_is_known_when_it_ends,
    a_request_in_back_off_outlives_its_entitys_stay_in_memory,
    trouble_of_the_cluster_is_no_outcome,
    a_dead_letter_that_cannot_be_written_at_once_is_not_tried_again,
);
