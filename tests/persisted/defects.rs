//! A panic harms its own request only: it is tried again with back-off a counted number of times,
//! then it is a dead letter.

use std::time::Duration;

use cluster::DeadLetter;
use cluster::prelude::*;
use futures_util::TryStreamExt;
use tokio::spawn;

use crate::entities::{Counter, Desk, start_with};
use crate::support::{Bed, Probe, backends};

/// More often than any request is tried.
const ALWAYS: u32 = 1_000;
const SECOND: Duration = Duration::from_secs(1);

/// Back-offs of 1, 2, 3, 3 seconds, then it is given up.
async fn start(bed: &Bed) -> Cluster {
    let configured = start_with(bed, |builder| {
        builder.config(|config| {
            config.attempts = 5;
            config.backoff_min = SECOND;
            config.backoff_max = 3 * SECOND;
        })
    });
    configured.await
}

async fn dead_letters(cluster: &Cluster) -> Vec<DeadLetter> {
    cluster.dead_letters().of::<Desk>().list().try_collect().await.unwrap()
}

// proves: B89
async fn a_panic_reruns_its_own_request_and_none_of_ten_in_flight(bed: Bed) {
    let cluster = start(&bed).await;
    let desk = cluster.get::<Desk>("d");
    // On one entity: readers, which run beside each other.
    let neighbours: Vec<_> = (0..5).map(|number| ("d".to_owned(), format!("r{number}"))).collect();
    // And on entities of their own.
    let others = (0..5).map(|number| (format!("d{number}"), format!("o{number}")));
    let neighbours: Vec<_> = neighbours.into_iter().chain(others).collect();
    let mut running = Vec::new();
    for (id, point) in &neighbours {
        bed.probe.close(point);
        let call = cluster.get::<Desk>(id).read(point.clone());
        running.push(spawn(async move { call.await }));
        bed.probe.wait_for(point, 1).await;
    }
    bed.probe.panic_at("bad", 2);
    let bad = spawn(async move { desk.read("bad".into()).await });
    bed.probe.wait_for("bad", 1).await;
    bed.advance(SECOND).await;
    bed.probe.wait_for("bad", 2).await;
    bed.advance(2 * SECOND).await;
    assert_eq!(bad.await.unwrap().unwrap(), 0);
    for (_, point) in &neighbours {
        bed.probe.open(point);
    }
    for neighbour in running {
        assert_eq!(neighbour.await.unwrap().unwrap(), 0);
    }
    cluster.caught_up().await.unwrap();
    assert_eq!(bed.probe.count("bad"), 3);
    for (_, point) in &neighbours {
        assert_eq!(bed.probe.count(point), 1, "runs of {point}");
    }
}

// proves: B89
async fn a_panic_reruns_its_own_request_and_none_of_ten_that_wait(bed: Bed) {
    let cluster = start(&bed).await;
    bed.probe.panic_at("bad", 1);
    bed.probe.close("first");
    let desk = cluster.get::<Desk>("d");
    let lines = ["first", "bad", "2", "3", "4", "5", "6", "7", "8", "9", "10"];
    for line in lines {
        desk.write(line.to_owned()).send().await.unwrap();
    }
    bed.probe.open("first");
    bed.probe.wait_for("10!", 1).await;
    bed.settle().await;
    assert_eq!(bed.probe.count("bad"), 1);
    bed.advance(SECOND).await;
    bed.probe.wait_for("bad!", 1).await;
    cluster.caught_up().await.unwrap();
    let mut written = desk.lines().await.unwrap();
    assert_eq!(written.pop().as_deref(), Some("bad"));
    assert_eq!(written, ["first", "2", "3", "4", "5", "6", "7", "8", "9", "10"]);
    for line in lines {
        assert_eq!(bed.probe.count(line), 1 + usize::from(line == "bad"), "runs of {line}");
    }
}

// proves: B90
async fn attempts_back_off_and_a_restart_grants_none(bed: Bed) {
    bed.probe.panic_at("bad", ALWAYS);
    let mut cluster = Some(start(&bed).await);
    cluster.as_ref().unwrap().get::<Desk>("d").write("bad".into()).send().await.unwrap();
    bed.probe.wait_for("bad", 1).await;
    let started = bed.passed();
    for (attempt, due) in [(2, 1), (3, 3), (4, 6), (5, 9)] {
        let due = started + due * SECOND;
        bed.settle().await;
        // The end is a crash, in the middle of the back-off.
        let half = (due - bed.passed()) / 2;
        bed.advance(half).await;
        drop(cluster.take());
        cluster = Some(start(&bed).await);
        bed.advance(half - Duration::from_millis(1)).await;
        assert_eq!(bed.probe.count("bad"), attempt - 1, "not before attempt {attempt} is due");
        bed.advance(Duration::from_millis(1)).await;
        assert_eq!(bed.probe.count("bad"), attempt, "attempt {attempt} is due");
    }
    let letters = dead_letters(cluster.as_ref().unwrap()).await;
    assert_eq!(letters.iter().map(DeadLetter::attempts).collect::<Vec<_>>(), [5]);
    drop((letters, cluster.take()));
    let cluster = start(&bed).await;
    bed.advance(60 * SECOND).await;
    assert_eq!(bed.probe.count("bad"), 5);
    drop(cluster);
}

// proves: B90
async fn an_attempt_that_never_ends_is_not_counted_by_a_crash(bed: Bed) {
    bed.probe.close("slow");
    let cluster = start(&bed).await;
    cluster.get::<Desk>("d").write("slow".into()).send().await.unwrap();
    // More crashes than attempts: a crash is no failure of the handler.
    let mut cluster = Some(cluster);
    for run in 1..=8 {
        bed.probe.wait_for("slow", run).await;
        drop(cluster.take());
        cluster = Some(start(&bed).await);
    }
    bed.probe.open("slow");
    bed.probe.wait_for("slow!", 1).await;
    let cluster = cluster.expect("started again");
    cluster.caught_up().await.unwrap();
    assert_eq!(cluster.get::<Desk>("d").lines().await.unwrap(), ["slow"]);
    assert!(dead_letters(&cluster).await.is_empty());
}

// proves: B91
async fn after_the_last_attempt_a_request_is_a_dead_letter_with_all_there_is_to_know(bed: Bed) {
    bed.probe.panic_at("bad", ALWAYS);
    let cluster = start(&bed).await;
    let desk = cluster.get::<Desk>("d");
    let call = desk.write("bad".into()).key("k").header("tenant", "t-1");
    let receipt = call.send().await.unwrap();
    let caller = spawn(async move { desk.write("bad".into()).key("k").await });
    bed.probe.wait_for("bad", 1).await;
    bed.advance(9 * SECOND).await;
    let Err(ClusterError::Defect { address, message, attempts, reason }) = caller.await.unwrap()
    else {
        panic!("expected a defect");
    };
    assert_eq!((address.entity_type(), address.entity_id().as_str()), ("Desk", "d"));
    assert_eq!((&*message, attempts, &*reason), ("write", 5, "told to panic at bad"));
    let id = receipt.id();
    drop((receipt, cluster));

    // The list is as durable as the letter, and nobody can bring it back by asking again.
    let cluster = start(&bed).await;
    let of_others = cluster.dead_letters().of::<Counter>().list();
    assert!(of_others.try_collect::<Vec<_>>().await.unwrap().is_empty());
    let letters = dead_letters(&cluster).await;
    let [letter] = &letters[..] else { panic!("expected one letter: {letters:?}") };
    assert_eq!(letter.id(), id);
    assert_eq!(letter.entity(), address);
    assert_eq!((letter.message(), letter.attempts()), ("write", 5));
    assert_eq!(letter.last_error(), "told to panic at bad");
    assert_eq!(letter.arguments(), Some(&serde_json::json!({ "line": "bad" })));
    assert!(letter.payload().windows(3).any(|bytes| bytes == b"bad"));
    assert_eq!(letter.headers().get("tenant"), Some("t-1"));
    let desk = cluster.get::<Desk>("d");
    let again = desk.write("bad".into()).key("k").await;
    let by_receipt = desk.write("bad".into()).key("k").send().await.unwrap().outcome().await;
    for told in [again, by_receipt] {
        let Err(ClusterError::Defect { attempts, reason, .. }) = told else {
            panic!("expected a defect: {told:?}");
        };
        assert_eq!((attempts, &*reason), (5, "told to panic at bad"));
    }
    assert_eq!(bed.probe.count("bad"), 5);
}

// proves: B92
async fn behind_a_request_that_always_panics_the_next_one_runs_and_is_committed(bed: Bed) {
    bed.probe.panic_at("bad", ALWAYS);
    let cluster = start(&bed).await;
    let desk = cluster.get::<Desk>("d");
    desk.write("bad".into()).send().await.unwrap();
    assert_eq!(desk.write("good".into()).key("k").await.unwrap(), 1);
    assert_eq!(bed.probe.take_log(), ["bad", "good", "good!"]);
    drop((desk, cluster));
    let cluster = start(&bed).await;
    let desk = cluster.get::<Desk>("d");
    assert_eq!(desk.write("good".into()).key("k").await.unwrap(), 1);
    assert_eq!(desk.lines().await.unwrap(), ["good"]);
    assert_eq!(bed.probe.count("good"), 1);
}

// proves: B94
async fn a_volatile_panic_is_a_defect_at_once_and_the_entity_serves_on(bed: Bed) {
    let cluster = start(&bed).await;
    let desk = cluster.get::<Desk>("d");
    bed.probe.panic_at("bad", ALWAYS);
    let Err(ClusterError::Defect { address, message, attempts, reason }) =
        desk.jot("bad".into()).await
    else {
        panic!("expected a defect");
    };
    assert_eq!((address.entity_type(), address.entity_id().as_str()), ("Desk", "d"));
    assert_eq!((&*message, attempts, &*reason), ("jot", 1, "told to panic at bad"));
    assert_eq!(desk.write("good".into()).await.unwrap(), 1);
    bed.advance(60 * SECOND).await;
    assert_eq!(bed.probe.count("bad"), 1);
    assert!(dead_letters(&cluster).await.is_empty());
    let panicked = cluster.get::<Counter>("c").panic_half_way().await;
    assert!(matches!(panicked, Err(ClusterError::Defect { .. })), "{panicked:?}");
    assert_eq!(cluster.get::<Counter>("c").add(1).await.unwrap(), 1);
}

// proves: B94
async fn an_entity_type_may_make_a_panic_the_outcome(bed: Bed) {
    bed.probe.panic_at("bad", ALWAYS);
    for round in 0..2 {
        let probe = bed.probe.clone();
        let fragile = |builder: cluster::ClusterBuilder| {
            builder.entity_with::<Fragile>(move |_| Fragile { written: 0, probe: probe.clone() })
        };
        let cluster = start_with(&bed, fragile).await;
        let fragile = cluster.get::<Fragile>("f");
        let outcome = fragile.write("bad".into()).key("k").await;
        let Err(ClusterError::Defect { message, attempts, reason, .. }) = outcome else {
            panic!("expected a defect");
        };
        assert_eq!((&*message, attempts, &*reason), ("write", 1, "told to panic at bad"));
        assert_eq!(fragile.write("good".into()).await.unwrap(), round + 1);
        bed.advance(60 * SECOND).await;
        let letters: Vec<_> = cluster.dead_letters().list().try_collect().await.unwrap();
        assert!(letters.is_empty(), "{letters:?}");
    }
    assert_eq!(bed.probe.count("bad"), 1);
}

/// Its panics are outcomes.
#[derive(Entity)]
#[entity(on_panic = "defect")]
struct Fragile {
    #[state]
    written: usize,
    probe: Probe,
}

#[entity]
impl Fragile {
    #[message(persisted)]
    fn write(&mut self, line: String) -> usize {
        self.written += 1;
        self.probe.arrive(&line);
        self.written
    }
}

backends!(in virtual time:
    a_panic_reruns_its_own_request_and_none_of_ten_in_flight,
    a_panic_reruns_its_own_request_and_none_of_ten_that_wait,
    attempts_back_off_and_a_restart_grants_none,
    an_attempt_that_never_ends_is_not_counted_by_a_crash,
    after_the_last_attempt_a_request_is_a_dead_letter_with_all_there_is_to_know,
    behind_a_request_that_always_panics_the_next_one_runs_and_is_committed,
    a_volatile_panic_is_a_defect_at_once_and_the_entity_serves_on,
    an_entity_type_may_make_a_panic_the_outcome,
);
