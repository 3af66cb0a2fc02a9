//! What waits, is committed or is loaded together is bounded in bytes as well as in rows.

use cluster::EntityOptions;
use cluster::prelude::*;
use cluster::storage::{MemoryStorage, RequestRow, RowLimits};
use cluster::{Error, StartError};
use cluster_sql::Sqlite;
use futures_util::StreamExt;

use crate::entities::{Counter, Desk, start_with};
use crate::support::{Bed, Folder, Probe, backends, is_waiting, soon};

const KIB: usize = 1 << 10;

/// A paper of so many bytes.
fn paper(number: usize, bytes: usize) -> String {
    format!("{number:06}{}", "x".repeat(bytes - 6))
}

// proves: B61
async fn a_batch_is_bounded_in_bytes(bed: Bed) {
    const MANY: usize = 20;
    let probe = Probe::default();
    let cluster =
        start_with(&bed, &probe, |builder| builder.config(|c| c.commit_batch_bytes = 64 * KIB))
            .await;
    bed.door.hold_commits();
    let mut calls = Vec::new();
    for number in 0..MANY {
        // One of them is larger than a whole batch.
        let bytes = if number == 7 { 100 * KIB } else { 10 * KIB };
        let desk = cluster.get::<Desk>(format!("d{number}"));
        let mut call = Box::pin(desk.file(paper(number, bytes)).into_future());
        assert!(is_waiting(&mut call).await);
        calls.push(call);
    }
    bed.door.release();
    for call in calls {
        assert_eq!(call.await.unwrap(), 1);
    }
    let batches: Vec<(usize, usize)> = bed
        .door
        .commits()
        .iter()
        .map(|batch| (batch.accepts.len(), batch.accepts.iter().map(RequestRow::bytes).sum()))
        .filter(|(rows, _)| *rows > 0)
        .collect();
    assert_eq!(batches.iter().map(|(rows, _)| rows).sum::<usize>(), MANY);
    for (rows, bytes) in &batches {
        assert!(*rows == 1 || *bytes <= 64 * KIB, "{batches:?}");
    }
    assert!(batches.iter().any(|(rows, _)| *rows > 3), "{batches:?}");
}

// proves: B61
async fn what_waits_to_be_stored_is_bounded_in_bytes(bed: Bed) {
    let probe = Probe::default();
    let cluster =
        start_with(&bed, &probe, |builder| builder.config(|c| c.commit_queue_bytes = 64 * KIB))
            .await;
    let desk = cluster.get::<Desk>("d");
    bed.door.hold_commits();
    let first = cluster.get::<Counter>("c");
    let mut first = Box::pin(first.add(1).into_future());
    assert!(is_waiting(&mut first).await);
    bed.door.commits_held(1).await;
    let mut calls = Vec::new();
    for number in 0..7 {
        let mut call = Box::pin(desk.file(paper(number, 10 * KIB)).into_future());
        assert!(is_waiting(&mut call).await);
        calls.push(call);
    }
    let refused = desk.file("one more".into()).await;
    let Err(ClusterError::LimitExceeded { limit, max, actual, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((limit, max), ("commit_queue_bytes", 64 * KIB));
    assert!((64 * KIB..80 * KIB).contains(&actual));
    bed.door.release();
    for call in calls {
        call.await.unwrap();
    }
    first.await.unwrap();
    assert_eq!(desk.file("one more".into()).await.unwrap(), 8);
}

// proves: B58, B61
async fn pages_that_are_short_for_their_bytes_are_not_taken_for_the_last(bed: Bed) {
    const MANY: usize = 40;
    let probe = Probe::default();
    let start = async || {
        start_with(&bed, &probe, |builder| {
            let small = EntityOptions { mailbox: Some(8), ..Default::default() };
            builder.options::<Desk>(small).config(|c| c.load_page_bytes = 25 * KIB)
        })
        .await
    };
    let cluster = start().await;
    let desk = cluster.get::<Desk>("d");
    let papers: Vec<String> = (0..MANY).map(|number| paper(number, 10 * KIB)).collect();
    probe.close(&papers[0]);
    for paper in &papers {
        desk.file(paper.clone()).send().await.unwrap();
    }
    probe.wait_for(&papers[0], 1).await;
    // More than a mailbox of them wait; all come, page by page, in their order.
    probe.open(&papers[0]);
    assert_eq!(desk.file("last".into()).await.unwrap(), MANY + 1);
    assert_eq!(desk.papers().await.unwrap()[..MANY], papers);

    // The same at a start.
    probe.close("held");
    desk.file("held".into()).send().await.unwrap();
    for paper in &papers {
        desk.file(paper.clone()).send().await.unwrap();
    }
    drop((desk, cluster));
    probe.open("held");
    let cluster = start().await;
    let desk = cluster.get::<Desk>("d");
    assert_eq!(desk.file("very last".into()).await.unwrap(), 2 * MANY + 3);
    assert_eq!(desk.papers().await.unwrap()[MANY + 2..2 * MANY + 2], papers);
}

// proves: B61
#[tokio::test]
async fn payloads_larger_than_the_storage_takes_are_refused_at_start() {
    let start = async |builder: cluster::ClusterBuilder| {
        builder.config(|config| config.payload_bytes_max = 1_001).start().await
    };
    let folder = Folder::new();
    let sqlite = async |bytes: usize| {
        Sqlite::options(folder.database()).payload_bytes_max(bytes).open().await.unwrap()
    };
    let memory = |bytes| MemoryStorage::default().with_limits(RowLimits::of_payload(bytes));
    let small = [
        Cluster::builder().storage(memory(1_000)),
        Cluster::builder().storage(sqlite(1_000).await),
    ];
    for builder in small {
        let Err(Error::Start(refused)) = start(builder).await else { panic!("it starts") };
        let StartError::PayloadsTooLarge { payload_bytes_max: 1_001, storage_max: 1_000, .. } =
            refused
        else {
            panic!("{refused:?}")
        };
        assert!(refused.to_string().contains("`payload_bytes_max` is 1001"), "{refused}");
    }
    start(Cluster::builder().storage(memory(1_001))).await.unwrap();
    soon(start(Cluster::builder().storage(sqlite(1_001).await))).await.unwrap();
}

// proves: B91
async fn listing_dead_letters_asks_once_for_their_names(bed: Bed) {
    const MANY: usize = 40;
    let probe = Probe::default();
    let cluster = start_with(&bed, &probe, |builder| {
        builder.config(|config| {
            config.attempts = 1;
            config.load_page_bytes = 10 * config.payload_bytes_max;
        })
    })
    .await;
    for number in 0..MANY {
        probe.panic_at(&number.to_string(), 1);
        cluster.get::<Desk>("d").file(number.to_string()).await.unwrap_err();
    }
    let calls = |name| bed.door.calls(name);
    let before = (calls("load_contracts"), calls("load_shape"), calls("dead_letters"));
    let letters: Vec<_> = cluster.dead_letters().list().map(Result::unwrap).collect().await;
    assert_eq!(letters.len(), MANY);
    for (number, letter) in letters.iter().enumerate() {
        assert_eq!(letter.message(), "file");
        let shown = letter.arguments().expect("its shape is stored").to_string();
        assert!(shown.contains(&format!("\"{number}\"")), "{shown}");
    }
    assert_eq!(calls("load_contracts") - before.0, 1);
    assert_eq!(calls("load_shape") - before.1, 1);
    assert_eq!(calls("dead_letters") - before.2, 5, "four pages, and an empty one");
}

backends!(
    a_batch_is_bounded_in_bytes,
    what_waits_to_be_stored_is_bounded_in_bytes,
    pages_that_are_short_for_their_bytes_are_not_taken_for_the_last,
    listing_dead_letters_asks_once_for_their_names,
);
