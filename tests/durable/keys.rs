//! A key names one request of one message of one entity, for ever after.

use std::collections::HashSet;

use cluster::id::{KeyDigest, MessageTag};
use cluster::prelude::*;
use tokio::spawn;

use crate::support::{Bed, Counter, Desk, Probe, Refusal, backends, is_waiting, start};

// proves: B30
async fn equal_requests_without_a_key_run_twice(bed: Bed) {
    let cluster = start(&bed, &Probe::default()).await;
    let counter = cluster.get::<Counter>("c");
    let first = counter.add(2).send().await.unwrap();
    let second = counter.add(2).send().await.unwrap();
    assert_ne!(first.id(), second.id());
    assert_eq!(first.outcome().await.unwrap(), 2);
    assert_eq!(second.outcome().await.unwrap(), 4);
    assert_eq!(first.outcome().await.unwrap(), 2);
}

// proves: B31
async fn the_same_key_gives_the_stored_outcome_across_restarts(bed: Bed) {
    let mut cluster = start(&bed, &Probe::default()).await;
    for _ in 0..3 {
        let counter = cluster.get::<Counter>("c");
        for _ in 0..2 {
            assert_eq!(counter.add_checked(5).key("good").await.unwrap(), 5);
            let error = counter.add_checked(-3).key("bad").await.unwrap_err();
            assert!(matches!(error, CallError::Entity(Refusal::No { at: 2 })), "{error:?}");
        }
        assert_eq!(counter.value().await.unwrap(), 5);
        drop((counter, cluster));
        cluster = start(&bed, &Probe::default()).await;
    }
}

// proves: B31
async fn a_receipt_of_the_same_key_leads_to_the_first_request(bed: Bed) {
    let cluster = start(&bed, &Probe::default()).await;
    let counter = cluster.get::<Counter>("c");
    let first = counter.add(5).key("k").send().await.unwrap();
    let again = counter.add(5).key("k").send().await.unwrap();
    assert_eq!(first.id(), again.id());
    assert_eq!(again.outcome().await.unwrap(), 5);
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

// proves: B33
async fn keys_that_look_alike_are_different(bed: Bed) {
    let cluster = start(&bed, &Probe::default()).await;
    let counter = cluster.get::<Counter>("c");
    let long = "k".repeat(1_024);
    let almost_as_long = "k".repeat(1_023);
    let keys = [
        "key",
        "Key",
        "KEY",
        "key ",
        " key",
        "kye",
        "key\0",
        "key\u{301}",
        "k\u{e9}y",
        "ke\u{301}y",
        "key-1",
        "key-11",
        "key-1 1",
        "'key'",
        "key/",
        "/key",
        "%",
        "_",
        "1",
        "01",
        "1.0",
        "~key",
        &long,
        &almost_as_long,
    ];
    let distinct: HashSet<_> = keys.iter().collect();
    assert_eq!(distinct.len(), keys.len());
    for (at, key) in keys.iter().enumerate() {
        let sum = i64::try_from(at).unwrap() + 1;
        assert_eq!(counter.add(1).key(*key).await.unwrap(), sum, "{key:?}");
    }
    for (at, key) in keys.iter().enumerate() {
        let sum = i64::try_from(at).unwrap() + 1;
        assert_eq!(counter.add(1).key(*key).await.unwrap(), sum, "{key:?}");
    }
}

// proves: B33
#[test]
fn a_million_keys_have_a_million_digests() {
    let (id, tag) = (EntityId::from("c"), MessageTag::of("add"));
    let keys = (0..250_000).flat_map(|n| {
        // Equal prefixes, other case, swapped halves, a space at the end.
        [
            format!("order-{n:06}"),
            format!("ORDER-{n:06}"),
            format!("{n:06}-order"),
            format!("{n:06} "),
        ]
    });
    let digests: HashSet<_> = keys
        .map(|key| *KeyDigest::of("Counter", &id, tag, &Key::new(key).unwrap()).as_bytes())
        .collect();
    assert_eq!(digests.len(), 1_000_000);
}

// proves: B34
async fn a_key_belongs_to_one_message_of_one_entity(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let (one, other) = (cluster.get::<Counter>("c"), cluster.get::<Counter>("d"));
    let desk = cluster.get::<Desk>("c");
    for _ in 0..2 {
        assert_eq!(one.add(1).key("k").await.unwrap(), 1);
        assert_eq!(one.add_checked(1).key("k").await.unwrap(), 2);
        assert_eq!(other.add(1).key("k").await.unwrap(), 1);
        assert_eq!(desk.file("paper".into()).key("k").await.unwrap(), 1);
    }
    assert_eq!(probe.count("paper"), 1);
}

// proves: B35
async fn a_key_used_with_other_arguments_is_refused(bed: Bed) {
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    probe.close("a");
    let mut first = Box::pin(desk.file("a".into()).key("k").into_future());
    assert!(is_waiting(&mut first).await);
    probe.wait_for("a", 1).await;
    // While the first one runs, after its end, and after a restart.
    let conflict = desk.file("b".into()).key("k").await.unwrap_err();
    let ClusterError::KeyConflict { address, message, key } = conflict else {
        panic!("{conflict}");
    };
    assert_eq!((address.entity_id().as_str(), message, key.as_str()), ("d", "file", "k"));
    probe.open("a");
    assert_eq!(first.await.unwrap(), 1);
    let conflict = desk.file("b".into()).key("k").await;
    assert!(matches!(conflict, Err(ClusterError::KeyConflict { .. })), "{conflict:?}");
    drop((desk, cluster));
    let cluster = start(&bed, &probe).await;
    let desk = cluster.get::<Desk>("d");
    let conflict = desk.file("b".into()).key("k").send().await;
    assert!(matches!(conflict, Err(ClusterError::KeyConflict { .. })), "{conflict:?}");
    assert_eq!(desk.file("a".into()).key("k").await.unwrap(), 1);
    assert_eq!(desk.papers().await.unwrap(), ["a"]);
}

backends!(
    equal_requests_without_a_key_run_twice,
    the_same_key_gives_the_stored_outcome_across_restarts,
    a_receipt_of_the_same_key_leads_to_the_first_request,
    a_hundred_callers_with_one_key_cause_one_run,
    keys_that_look_alike_are_different,
    a_key_belongs_to_one_message_of_one_entity,
    a_key_used_with_other_arguments_is_refused,
);
