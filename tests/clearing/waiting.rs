//! Who runs is waited for, who waits is told, and what comes later runs on the fresh entity.

use std::time::Duration;

use cluster::EntityOptions;
use cluster::prelude::*;
use tokio::spawn;

use crate::entities::{List, handlers_clear, start, start_with};
use crate::support::{Bed, Reading, backends};

const SECOND: Duration = Duration::from_secs(1);

// proves: B117
async fn what_runs_is_waited_for_and_what_waits_is_told(bed: Bed) {
    let cluster = start(&bed).await;
    let list = cluster.get::<List>("a");
    bed.probe.close("running");
    let running = spawn(list.add("running".into()).into_future());
    bed.probe.wait_for("running", 1).await;
    let queued = spawn(list.add("queued".into()).into_future());
    let receipt = list.add("sent".into()).send().await.unwrap();
    let joined = spawn({
        let receipt = receipt.clone();
        async move { receipt.outcome().await }
    });
    let reader = spawn(list.count().into_future());
    bed.settle().await;
    let clearing = spawn({
        let cluster = cluster.clone();
        async move { cluster.clear::<List>("a").await }
    });
    bed.settle().await;
    assert!(!clearing.is_finished(), "a handler runs");
    // Neither does anything new start, nor end.
    let later = spawn(list.count().into_future());
    bed.settle().await;
    assert!(!reader.is_finished() && !later.is_finished());
    bed.probe.open("running");
    clearing.await.unwrap().unwrap();
    assert_eq!(running.await.unwrap().unwrap(), 1, "it has run to its end");
    for interrupted in [queued.await.unwrap(), joined.await.unwrap()] {
        assert!(matches!(interrupted, Err(ClusterError::Interrupted)), "{interrupted:?}");
    }
    assert_eq!((bed.probe.count("queued"), bed.probe.count("sent")), (0, 0));
    assert_eq!((reader.await.unwrap().unwrap(), later.await.unwrap().unwrap()), (0, 0));
    assert_eq!(list.add("after".into()).await.unwrap(), 1);
    let hooks = bed.probe.log().into_iter().filter(|what| what == "begins" || what == "ends");
    assert_eq!(hooks.collect::<Vec<_>>(), ["begins", "ends", "begins"]);
}

/// A reader that asks its own entity ends before.
// proves: B117
async fn a_call_for_which_a_running_handler_waits_still_starts(bed: Bed) {
    let cluster = start(&bed).await;
    let list = cluster.get::<List>("a");
    list.add("word".into()).await.unwrap();
    bed.probe.close("look");
    let looking = spawn(list.look().into_future());
    bed.probe.wait_for("look", 1).await;
    let clearing = spawn({
        let cluster = cluster.clone();
        async move { cluster.clear::<List>("a").await }
    });
    bed.settle().await;
    bed.probe.open("look");
    assert_eq!(looking.await.unwrap().unwrap(), 1);
    clearing.await.unwrap().unwrap();
    assert_eq!(list.count().await.unwrap(), 0);
}

// proves: B117, B63
async fn a_handler_that_would_wait_for_its_own_end_is_told_so(bed: Bed) {
    let cluster = start(&bed).await;
    handlers_clear(Some(&cluster));
    let list = cluster.get::<List>("a");
    cluster.get::<List>("b").add("word".into()).await.unwrap();
    let refused = list.clear("a".into()).await.unwrap_err();
    assert!(refused.to_string().contains("wait for itself"), "{refused}");
    list.clear("b".into()).await.unwrap();
    assert_eq!(cluster.get::<List>("b").count().await.unwrap(), 0);
    handlers_clear(None);
}

/// Those in back-off, in strict order or not, and those of a full mailbox, are gone with the rest.
// proves: B117
async fn back_offs_and_spilled_requests_are_gone_as_well(bed: Bed) {
    for strict in [false, true] {
        let id = format!("list {strict}");
        let cluster = start_with(&bed, |builder| {
            let options = EntityOptions {
                strict_order: Some(strict),
                mailbox: Some(4),
                attempts: Some(1_000),
                backoff_min: Some(5 * SECOND),
                backoff_max: Some(10 * SECOND),
                ..EntityOptions::DEFAULT
            };
            builder.options::<List>(options)
        })
        .await;
        let list = cluster.get::<List>(&id);
        bed.probe.panic_at("failing", 2);
        let failing = list.add("failing".into()).send().await.unwrap();
        bed.settle().await;
        bed.probe.close("blocks");
        let mut receipts = vec![failing];
        for word in ["blocks"].into_iter().chain(["waits"; 20]) {
            receipts.push(list.add(word.into()).send().await.unwrap());
        }
        bed.settle().await;
        let before = bed.probe.count("failing");
        let clearing = spawn({
            let (cluster, id) = (cluster.clone(), id.clone());
            async move { cluster.clear::<List>(id).await }
        });
        bed.settle().await;
        bed.probe.open("blocks");
        bed.settle().await;
        clearing.await.unwrap().unwrap();
        bed.advance(60 * SECOND).await;
        assert_eq!(bed.probe.count("waits"), 0);
        assert_eq!(bed.probe.count("failing"), before, "strict: {strict}");
        assert_eq!(list.count().await.unwrap(), 0);
        assert_eq!(list.add("after".into()).await.unwrap(), 1);
        drop((receipts, list, cluster));
    }
}

/// It had ended when it was looked at, and is to run again when it is removed.
// proves: B43, B117
async fn whoever_waits_for_a_reset_request_is_told_when_it_is_cleared(bed: Bed) {
    let cluster = start(&bed).await;
    let list = cluster.get::<List>("a");
    let receipt = list.add("word".into()).key("k").send().await.unwrap();
    assert_eq!(receipt.outcome().await.unwrap(), 1);
    bed.door.hold_commits();
    let clearing = spawn({
        let cluster = cluster.clone();
        async move { cluster.clear::<List>("a").await }
    });
    // The state is to go.
    bed.door.commits_held(1).await;
    bed.door.stop("requests_of", Reading::After);
    bed.door.release();
    bed.door.stopped("requests_of", Reading::After, 1).await;
    assert!(receipt.reset().await.unwrap());
    let waits = spawn(async move { receipt.outcome().await });
    // It has looked into the storage before the request goes.
    bed.settle().await;
    assert!(!waits.is_finished());
    bed.door.go_on("requests_of");
    let told = waits.await.unwrap();
    assert!(matches!(told, Err(ClusterError::Interrupted)), "{told:?}");
    clearing.await.unwrap().unwrap();
    bed.advance(60 * SECOND).await;
    assert_eq!(bed.probe.count("word"), 1);
    assert_eq!(list.add("word".into()).key("k").await.unwrap(), 1, "afresh");
}

/// Clearings and requests at once: every request has one fate, and none hangs.
// proves: B117
async fn in_a_crowd_everybody_is_answered(bed: Bed) {
    let cluster = start_with(&bed, |builder| builder.config(|c| c.clear_batch = 3)).await;
    let list = cluster.get::<List>("a");
    let mut calls = Vec::new();
    for number in 0..200 {
        calls.push(spawn(list.add(number.to_string()).into_future()));
        if number % 20 == 19 {
            let cluster = cluster.clone();
            calls.push(spawn(async move { cluster.clear::<List>("a").await.map(|()| 0) }));
        }
        tokio::task::yield_now().await;
    }
    for call in calls {
        let ended = call.await.unwrap();
        assert!(matches!(ended, Ok(_) | Err(ClusterError::Interrupted)), "{ended:?}");
    }
    let left = list.count().await.unwrap();
    cluster.caught_up().await.unwrap();
    cluster.clear::<List>("a").await.unwrap();
    assert_eq!(list.count().await.unwrap(), 0, "{left} were there before");
}

backends!(in_a_crowd_everybody_is_answered on threads);

mod in_virtual_time {
    use super::*;

    backends!(in virtual time:
        what_runs_is_waited_for_and_what_waits_is_told,
        a_call_for_which_a_running_handler_waits_still_starts,
        a_handler_that_would_wait_for_its_own_end_is_told_so,
        back_offs_and_spilled_requests_are_gone_as_well,
        whoever_waits_for_a_reset_request_is_told_when_it_is_cleared,
    );
}
