//! A key finds its request again, and only its own; without a key equal requests are two.

use std::collections::HashSet;
use std::time::Duration;

use cluster::id::{KeyDigest, MessageTag};
use cluster::prelude::*;
use tokio::spawn;

use crate::entities::{Desk, Other, Refusal, start, start_with};
use crate::support::{Bed, backends};

const HOUR: Duration = Duration::from_secs(3_600);
const MINUTE: Duration = Duration::from_secs(60);

// proves: B30
async fn equal_requests_without_a_key_run_twice_and_have_two_outcomes(bed: Bed) {
    let cluster = start(&bed).await;
    let desk = cluster.get::<Desk>("d");
    assert_eq!(desk.write("same".into()).await.unwrap(), 1);
    assert_eq!(desk.write("same".into()).await.unwrap(), 2);
    let (first, second) =
        tokio::join!(desk.write("same".into()).send(), desk.write("same".into()).send());
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_ne!(first.id(), second.id());
    assert_eq!(first.outcome().await.unwrap(), 3);
    assert_eq!(second.outcome().await.unwrap(), 4);
    assert_eq!(bed.probe.count("same"), 4);
}

// proves: B31
async fn a_key_gives_the_stored_outcome_for_its_whole_window_and_across_restarts(bed: Bed) {
    let start = async || {
        start_with(&bed, |builder| builder.config(|c| c.deduplication_window = 2 * HOUR)).await
    };
    let write = async |cluster: &Cluster| {
        let desk = cluster.get::<Desk>("d");
        let value = desk.write("value".into()).key("k").await;
        let error = desk.refuse("error".into()).key("k").await;
        (value.unwrap(), error.unwrap_err())
    };
    let same = |(value, error): (usize, CallError<Refusal>), lines| {
        assert_eq!(value, lines);
        let refused = Refusal::No { lines: lines + 1 };
        assert!(matches!(error, CallError::Entity(e) if e == refused));
    };

    let cluster = start().await;
    same(write(&cluster).await, 1);
    // What comes later would change the outcome of a second run.
    cluster.get::<Desk>("d").write("later".into()).await.unwrap();
    same(write(&cluster).await, 1);
    cluster.shutdown().await.unwrap();
    drop(cluster);

    // Looks from time to time, last when the window is nearly over.
    for _ in 0..2 {
        let cluster = start().await;
        same(write(&cluster).await, 1);
        bed.advance(HOUR - MINUTE).await;
        same(write(&cluster).await, 1);
        // Ends as a crash does.
        drop(cluster);
    }
    assert_eq!((bed.probe.count("value"), bed.probe.count("error")), (1, 1));

    // Then the key is forgotten, and the request is a new one.
    let cluster = start().await;
    bed.advance(3 * MINUTE).await;
    same(write(&cluster).await, 3);
    assert_eq!((bed.probe.count("value"), bed.probe.count("error")), (2, 2));
}

// proves: B31
async fn a_key_handed_over_again_gives_the_same_receipt(bed: Bed) {
    let cluster = start(&bed).await;
    let hand_over = async |cluster: Cluster| {
        let receipt = cluster.get::<Desk>("d").write("line".into()).key("k").send().await.unwrap();
        assert_eq!(receipt.outcome().await.unwrap(), 1);
        receipt.id()
    };
    let first = hand_over(cluster.clone()).await;
    assert_eq!(hand_over(cluster).await, first);
    assert_eq!(hand_over(start(&bed).await).await, first);
    assert_eq!(bed.probe.count("line"), 1);
}

/// Keys of which each has a twin that a careless comparison takes for it.
fn twins() -> Vec<String> {
    let long = "k".repeat(1_023);
    let twins = [
        "order-1",
        "order-10",
        "order-100",
        "order-01",
        "order-1-",
        "ab",
        "ba",
        "abc",
        "acb",
        "key",
        "Key",
        "KEY",
        "key ",
        "key  ",
        " key",
        "key\t",
        "key\n",
        "key\0",
        "key\0\0",
        "\u{e9}",
        "e\u{301}",
        "E\u{301}",
        "\u{c9}",
        "ss",
        "\u{df}",
        "i",
        "\u{131}",
        "I",
        "\u{130}",
        "'",
        "\"",
        "''",
        "%",
        "_",
        "\\",
        "\\\\",
        "/",
        "~",
        "~key",
        "null",
        "NULL",
        "0",
        "00",
        "0.0",
        "1e0",
        "\u{1f980}",
        "\u{1f980}\u{fe0f}",
        "\u{200b}key",
        "key\u{200b}",
        "\u{212a}ey",
        "\u{ff4b}ey",
    ];
    let long = [long.clone(), format!("{long}a"), format!("{long}b"), format!("a{long}")];
    twins.into_iter().map(str::to_owned).chain(long).collect()
}

// proves: B33
async fn keys_that_look_alike_never_share_an_outcome(bed: Bed) {
    let keys = twins();
    for round in 1..=3 {
        let cluster = start(&bed).await;
        let desk = cluster.get::<Desk>("d");
        for (at, key) in keys.iter().enumerate() {
            let outcome = desk.write("same".into()).key(key).await.unwrap();
            assert_eq!(outcome, at + 1, "the outcome of {key:?} in round {round}");
        }
        cluster.shutdown().await.unwrap();
    }
    assert_eq!(bed.probe.count("same"), keys.len());
}

// proves: B33
#[test]
fn a_million_keys_have_a_million_digests() {
    const OF_A_KIND: u32 = 200_000;
    let (id, tag) = (EntityId::from("e"), MessageTag::of("m"));
    let mut digests = HashSet::new();
    let mut insert = |key: String| {
        let key = Key::new(key).expect("neither empty nor too long");
        digests.insert(KeyDigest::of("T", &id, tag, &key));
    };
    for number in 0..OF_A_KIND {
        insert(number.to_string());
        // The same number with its digits swapped, in another case, and with trailing spaces.
        insert(format!("swap-{}", number.to_string().chars().rev().collect::<String>() + "."));
        insert(format!("case-{number:x}"));
        insert(format!("CASE-{number:x}"));
        insert(format!("{number} "));
    }
    assert_eq!(digests.len(), 5 * OF_A_KIND as usize);
}

// proves: B34
async fn the_same_key_for_another_id_type_or_message_runs(bed: Bed) {
    let cluster = start(&bed).await;
    for _ in 0..2 {
        let (first, second) = (cluster.get::<Desk>("first"), cluster.get::<Desk>("second"));
        assert_eq!(first.write("line".into()).key("k").await.unwrap(), 1);
        assert_eq!(second.write("line".into()).key("k").await.unwrap(), 1);
        assert_eq!(first.copy("line".into()).key("k").await.unwrap(), 2);
        let other = cluster.get::<Other>("first");
        assert_eq!(other.write("line".into()).key("k").await.unwrap(), 1);
    }
    assert_eq!(bed.probe.count("line"), 4);
}

// proves: B35
async fn a_key_with_other_arguments_is_refused_and_harms_nothing(bed: Bed) {
    let refused = async |cluster: &Cluster| {
        let conflict = cluster.get::<Desk>("d").write("other".into()).key("k-1").await;
        let Err(ClusterError::KeyConflict { address, message, key }) = conflict else {
            panic!("expected a conflict, got {conflict:?}");
        };
        assert_eq!((address.entity_type(), address.entity_id().as_str()), ("Desk", "d"));
        assert_eq!((message, key.as_str()), ("write", "k-1"));
    };
    let cluster = start(&bed).await;
    bed.probe.close("line");
    let first = spawn({
        let desk = cluster.get::<Desk>("d");
        async move { desk.write("line".into()).key("k-1").await }
    });
    bed.probe.wait_for("line", 1).await;
    // While it runs, when it has ended, and after a restart.
    refused(&cluster).await;
    let sent = cluster.get::<Desk>("d").write("other".into()).key("k-1").send().await;
    assert!(matches!(sent, Err(ClusterError::KeyConflict { .. })));
    bed.probe.open("line");
    assert_eq!(first.await.unwrap().unwrap(), 1);
    refused(&cluster).await;
    drop(cluster);
    let cluster = start(&bed).await;
    refused(&cluster).await;
    let desk = cluster.get::<Desk>("d");
    assert_eq!(desk.write("line".into()).key("k-1").await.unwrap(), 1);
    assert_eq!(desk.lines().await.unwrap(), ["line"]);
    assert_eq!((bed.probe.count("line"), bed.probe.count("other")), (1, 0));
}

backends!(in virtual time:
    equal_requests_without_a_key_run_twice_and_have_two_outcomes,
    a_key_gives_the_stored_outcome_for_its_whole_window_and_across_restarts,
    a_key_handed_over_again_gives_the_same_receipt,
    keys_that_look_alike_never_share_an_outcome,
    the_same_key_for_another_id_type_or_message_runs,
    a_key_with_other_arguments_is_refused_and_harms_nothing,
);
