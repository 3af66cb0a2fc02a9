//! Requests that run again: redriven, reset; and those behind one that cannot run.

use std::sync::{Arc, Mutex};

use cluster::prelude::*;
use cluster::{Cancelled, ClusterBuilder, DeadLetter, EntityOptions};
use futures_util::StreamExt;
use tokio::spawn;

use crate::entities::{Counter, Desk, DeskFile, start, start_with};
use crate::support::{Bed, Probe, backends, settle};

async fn letters(cluster: &Cluster) -> Vec<DeadLetter> {
    cluster.dead_letters().list().map(Result::unwrap).collect().await
}

// proves: B93
async fn a_redriven_letter_runs_once_however_often_it_is_asked(bed: Bed) {
    let probe = Probe::default();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hook = heard.clone();
    let cluster = start_with(&bed, &probe, move |builder| {
        builder.on_dead_letter(move |given_up| {
            hook.lock().unwrap().push((given_up.entity.to_string(), given_up.attempts));
        })
    })
    .await;
    let desk = cluster.get::<Desk>("d");
    probe.panic_at("paper", 3);
    let receipt = desk.file("paper".into()).key("k").send().await.unwrap();
    let notice = receipt.outcome().await;
    assert!(matches!(notice, Err(ClusterError::Defect { .. })), "{notice:?}");
    assert_eq!(*heard.lock().unwrap(), [("Desk/d".to_owned(), 3)]);

    let letter = letters(&cluster).await.remove(0);
    let twice = [spawn(redriven(letter.clone())), spawn(redriven(letter.clone()))];
    for one in twice {
        one.await.unwrap();
    }
    assert_eq!(receipt.outcome().await.unwrap(), 1);
    assert_eq!((probe.count("paper"), probe.count("paper!")), (4, 1));
    assert!(letters(&cluster).await.is_empty());
    // Long done: nothing.
    letter.redrive().await.unwrap();
    settle().await;
    assert_eq!(desk.file("paper".into()).key("k").await.unwrap(), 1, "the same request");
    assert_eq!(probe.count("paper"), 4);
}

async fn redriven(letter: DeadLetter) {
    letter.redrive().await.unwrap();
}

// proves: B93
async fn a_redriven_letter_survives_a_crash_and_may_die_again(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    probe.panic_at("paper", 6);
    let receipt = cluster.get::<Desk>("d").file("paper".into()).send().await.unwrap();
    let id = receipt.id();
    receipt.outcome().await.unwrap_err();
    let first = letters(&cluster).await.remove(0);
    probe.close("paper");
    first.redrive().await.unwrap();
    drop((receipt, first, cluster));

    let cluster = start(&bed, &probe).await;
    let receipt = cluster.receipt::<DeskFile>(id);
    receipt.outcome().await.unwrap_err();
    let second = letters(&cluster).await.remove(0);
    assert_eq!((second.id(), second.attempts()), (id, 3));
    assert_eq!(probe.count("paper"), 6);
    probe.open("paper");
    second.redrive().await.unwrap();
    assert_eq!(receipt.outcome().await.unwrap(), 1);
}

// proves: B91
async fn a_discarded_letter_has_ended(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    probe.panic_at("paper", 3);
    let receipt = cluster.get::<Desk>("d").file("paper".into()).send().await.unwrap();
    receipt.outcome().await.unwrap_err();
    let letter = letters(&cluster).await.remove(0);
    assert_eq!(letter.discard().await.unwrap(), Cancelled::Interrupted);
    assert!(letters(&cluster).await.is_empty());
    let outcome = receipt.outcome().await;
    assert!(matches!(outcome, Err(ClusterError::Interrupted)), "{outcome:?}");
    letter.redrive().await.unwrap();
    settle().await;
    assert_eq!(probe.count("paper"), 3, "not again");
}

// proves: B43
async fn a_reset_request_runs_again_once(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let counter = cluster.get::<Counter>("c");
    assert_eq!(counter.add(5).key("k").await.unwrap(), 5);
    let receipt = counter.add(5).key("k").send().await.unwrap();
    let twice =
        [spawn(reset(cluster.clone(), receipt.id())), spawn(reset(cluster.clone(), receipt.id()))];
    let mut was_finished = 0;
    for one in twice {
        was_finished += usize::from(one.await.unwrap());
    }
    assert!(was_finished >= 1);
    assert_eq!(receipt.outcome().await.unwrap(), 10);
    assert_eq!(counter.value().await.unwrap(), 10);

    // One that runs is left alone.
    let desk = cluster.get::<Desk>("d");
    probe.close("paper");
    let running = desk.file("paper".into()).send().await.unwrap();
    probe.wait_for("paper", 1).await;
    assert!(!running.reset().await.unwrap());
    probe.open("paper");
    assert_eq!(running.outcome().await.unwrap(), 1);
    assert_eq!(probe.count("paper"), 1);
    let unknown = cluster.reset(RequestId::from_bytes([7; 16])).await;
    assert!(matches!(unknown, Err(ClusterError::Retired { .. })), "{unknown:?}");
}

async fn reset(cluster: Cluster, id: RequestId) -> bool {
    cluster.reset(id).await.unwrap()
}

// proves: B257
async fn by_strict_order_nothing_passes_a_request_in_back_off(bed: Bed) {
    let probe = Probe::default();
    let strict = |builder: ClusterBuilder| {
        let options = EntityOptions { strict_order: Some(true), ..EntityOptions::DEFAULT };
        builder.options::<Desk>(options).config(|config| config.attempts = 4)
    };
    let cluster = start_with(&bed, &probe, strict).await;
    let desk = cluster.get::<Desk>("d");
    probe.panic_at("one!", 2);
    let mut receipts = Vec::new();
    for paper in ["one", "two", "three"] {
        receipts.push(desk.file(paper.into()).send().await.unwrap().id());
    }
    probe.wait_for("one", 1).await;
    let read = spawn({
        let desk = desk.clone();
        async move { desk.papers().await }
    });
    assert_eq!(cluster.receipt::<DeskFile>(receipts[2]).outcome().await.unwrap(), 3);
    let papers = read.await.unwrap().unwrap();
    assert_eq!(papers.first().map(String::as_str), Some("one"), "no read before it either");
    let order = ["one", "one!", "one", "one!", "one", "one!", "two", "two!", "three", "three!"];
    assert_eq!(probe.log(), order);

    // Over a crash in the back-off as well; a dead letter holds up nobody.
    probe.panic_at("four", 4);
    let four = desk.file("four".into()).send().await.unwrap().id();
    let five = desk.file("five".into()).send().await.unwrap().id();
    probe.wait_for("four", 2).await;
    drop((desk, cluster));
    let cluster = start_with(&bed, &probe, strict).await;
    let defect = cluster.receipt::<DeskFile>(four).outcome().await;
    assert!(matches!(defect, Err(ClusterError::Defect { .. })), "{defect:?}");
    assert_eq!(cluster.receipt::<DeskFile>(five).outcome().await.unwrap(), 4);
    let log = probe.log();
    let last_four = log.iter().rposition(|noted| noted == "four").unwrap();
    let first_five = log.iter().position(|noted| noted == "five").unwrap();
    assert!(last_four < first_five, "{log:?}");
}

backends!(
    a_redriven_letter_runs_once_however_often_it_is_asked,
    a_redriven_letter_survives_a_crash_and_may_die_again,
    a_discarded_letter_has_ended,
    a_reset_request_runs_again_once,
    by_strict_order_nothing_passes_a_request_in_back_off,
);
