//! What is finished is removed after its time, whatever the clock does: an early removal of a key
//! would double an effect, and one that never comes would fill the disk.

use std::sync::Arc;

use cluster::id::{RequestId, Seq};
use cluster::prelude::*;
use cluster::storage::{Batch, JoinRequest, OutcomeRow, RequestRow};

use crate::entities::{Counter, CounterAdd, Desk, DeskFile, start};
use crate::support::{Bed, Probe, backends, settle};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const HOUR_MS: i64 = 3_600_000;

/// Moves time on by half a minute, and waits until retention has looked since.
async fn retire(bed: &Bed) {
    let looks = bed.door.done("retire");
    bed.advance(Duration::from_secs(30)).await;
    while bed.door.done("retire") == looks {
        settle().await;
    }
    settle().await;
}

/// Lets retention look until a pass is over, whatever has happened to the clock.
async fn retire_twice(bed: &Bed) {
    for _ in 0..2 {
        retire(bed).await;
    }
}

// proves: B31, B111
async fn a_key_is_remembered_though_the_clock_steps_forward(bed: Bed) {
    let bed = bed.with_virtual_time();
    let probe = Probe::default();
    // A machine whose clock is far behind when it starts.
    bed.time().jump_wall_clock(-26 * 365 * 24 * HOUR_MS);
    let cluster = start(&bed, &probe).await;
    let counter = cluster.get::<Counter>("c");
    assert_eq!(counter.add(-7).key("p7").await.unwrap(), -7);
    bed.time().jump_wall_clock(26 * 365 * 24 * HOUR_MS);
    retire_twice(&bed).await;
    assert_eq!(counter.add(-7).key("p7").await.unwrap(), -7, "the first outcome");
    // A step that is taken back.
    bed.time().jump_wall_clock(25 * HOUR_MS);
    retire_twice(&bed).await;
    bed.time().jump_wall_clock(-25 * HOUR_MS);
    retire_twice(&bed).await;
    assert_eq!(counter.add(-7).key("p7").await.unwrap(), -7, "the first outcome");
    assert_eq!(counter.value().await.unwrap(), -7, "it ran once");
}

// proves: B31, B111
async fn a_key_of_a_step_back_is_remembered_when_the_clock_is_right_again(bed: Bed) {
    let bed = bed.with_virtual_time();
    let cluster = start(&bed, &Probe::default()).await;
    let counter = cluster.get::<Counter>("c");
    retire_twice(&bed).await;
    // So short that no look of retention falls into it.
    bed.time().jump_wall_clock(-25 * HOUR_MS);
    assert_eq!(counter.add(1).key("k").await.unwrap(), 1);
    bed.time().jump_wall_clock(25 * HOUR_MS);
    retire_twice(&bed).await;
    assert_eq!(counter.add(1).key("k").await.unwrap(), 1, "the first outcome");
    assert_eq!(counter.value().await.unwrap(), 1, "it ran once");
}

// proves: B31, B111
async fn a_key_is_remembered_over_a_restart_though_the_clock_steps_forward(bed: Bed) {
    let bed = bed.with_virtual_time();
    let probe = Probe::default();
    let cluster = start(&bed, &probe).await;
    assert_eq!(cluster.get::<Counter>("c").add(1).key("while it ran").await.unwrap(), 1);
    // The step comes while it runs, and soon it is started again.
    bed.time().jump_wall_clock(25 * HOUR_MS);
    retire_twice(&bed).await;
    drop(cluster);
    let cluster = start(&bed, &probe).await;
    assert_eq!(cluster.get::<Counter>("c").add(1).key("between").await.unwrap(), 2);
    retire_twice(&bed).await;
    drop(cluster);
    // The step comes while nothing runs.
    bed.time().jump_wall_clock(25 * HOUR_MS);
    let cluster = start(&bed, &probe).await;
    retire_twice(&bed).await;
    let counter = cluster.get::<Counter>("c");
    assert_eq!(counter.add(1).key("while it ran").await.unwrap(), 1, "the first outcome");
    assert_eq!(counter.add(1).key("between").await.unwrap(), 2, "the first outcome");
    assert_eq!(counter.value().await.unwrap(), 2, "each ran once");
    // Once so much time has passed since, both are forgotten.
    bed.time().advance(24 * HOUR + MINUTE);
    retire_twice(&bed).await;
    assert_eq!(counter.add(1).key("while it ran").await.unwrap(), 3);
    assert_eq!(counter.add(1).key("between").await.unwrap(), 4);
}

// proves: B111
async fn a_time_far_ahead_holds_up_the_removal_of_nothing_else(bed: Bed) {
    let bed = bed.with_virtual_time();
    let cluster = start(&bed, &Probe::default()).await;
    let desk = cluster.get::<Desk>("d");
    let file = async |paper: &str| {
        let receipt = desk.file(paper.into()).send().await.unwrap();
        receipt.outcome().await.unwrap();
        receipt.id()
    };
    let is_there = async |id: RequestId| {
        let outcome = cluster.receipt::<DeskFile>(id).outcome().await;
        !matches!(outcome, Err(ClusterError::Retired { .. }))
    };
    bed.time().jump_wall_clock(4 * 365 * 24 * HOUR_MS);
    let ahead = file("ahead").await;
    bed.time().jump_wall_clock(-4 * 365 * 24 * HOUR_MS);
    let after = file("after").await;
    // Those of `send` are kept for an hour.
    bed.time().advance(HOUR - MINUTE);
    retire_twice(&bed).await;
    assert!(is_there(after).await && is_there(ahead).await);
    bed.time().advance(3 * MINUTE);
    retire_twice(&bed).await;
    assert!(!is_there(after).await, "removed at its time");
    assert!(is_there(ahead).await, "finished in the future, as far as anybody knows");
}

/// Adds finished requests to the storage that are like this one.
async fn add_finished_like(bed: &Bed, pattern: RequestId, many: u64) {
    let storage = bed.open().await;
    let request = JoinRequest {
        shard_count: cluster::id::ShardCount::default(),
        shard_hash_version: cluster::id::SHARD_HASH_VERSION,
        groups: vec!["default".into()],
        advertised: String::new(),
        lease: Duration::from_secs(5),
    };
    let fence = storage.join(request).await.unwrap().fence;
    let found = storage.find_requests(vec![pattern]).await.unwrap().remove(0).unwrap();
    let outcome = found.outcome.expect("it is finished");
    let row = |n: u64| {
        let seq = Seq::new(found.request.seq.as_u64() + n);
        RequestRow { seq, id: RequestId::from_u128(n.into()), ..found.request.clone() }
    };
    let end = |row: &RequestRow| OutcomeRow {
        seq: row.seq,
        shard: row.shard,
        epoch: row.epoch,
        outcome: outcome.clone(),
        finished_at: row.accepted_at,
        elsewhere: true,
    };
    for first in (1..=many).step_by(10_000) {
        let accepts: Vec<_> = (first..first + 10_000).map(row).collect();
        let outcomes = accepts.iter().map(end).collect();
        let accepted = Batch { accepts, ..Batch::default() };
        storage.commit(fence, Arc::new(accepted)).await.unwrap();
        let ended = Batch { outcomes, ..Batch::default() };
        storage.commit(fence, Arc::new(ended)).await.unwrap();
    }
}

// proves: B110, B111
async fn what_is_kept_is_looked_at_once_until_its_time_comes(bed: Bed) {
    const MANY: u64 = 100_000;
    let bed = bed.with_virtual_time();
    let cluster = start(&bed, &Probe::default()).await;
    let receipt = cluster.get::<Counter>("c").add(1).send().await.unwrap();
    receipt.outcome().await.unwrap();
    let pattern = receipt.id();
    drop((receipt, cluster));
    add_finished_like(&bed, pattern, MANY).await;

    let cluster = start(&bed, &Probe::default()).await;
    let looks = async |many: u32| {
        let before = bed.door.done("retire");
        bed.advance(Duration::from_secs(30) * many).await;
        bed.settle().await;
        bed.door.done("retire") - before
    };
    let pages = MANY / 1_000;
    assert!((pages..=pages + 2).contains(&looks(1).await), "each page once");
    assert_eq!(looks(1).await, 1, "a look whether anything new has finished");
    assert!(looks(10).await <= 10, "the same every half minute");
    // What comes later is found, and costs no look at the rest.
    let later = cluster.get::<Counter>("d").add(1).send().await.unwrap();
    later.outcome().await.unwrap();
    assert_eq!(looks(1).await, 1);
    bed.time().advance(HOUR);
    assert!(looks(1).await >= pages, "all can go now");
    settle().await;
    let gone = cluster.receipt::<CounterAdd>(pattern).outcome().await;
    assert!(matches!(gone, Err(ClusterError::Retired { .. })), "{gone:?}");
    let gone = cluster.receipt::<CounterAdd>(later.id()).outcome().await;
    assert!(matches!(gone, Err(ClusterError::Retired { .. })), "{gone:?}");
}

backends!(
    a_key_is_remembered_though_the_clock_steps_forward,
    a_key_of_a_step_back_is_remembered_when_the_clock_is_right_again,
    a_key_is_remembered_over_a_restart_though_the_clock_steps_forward,
    a_time_far_ahead_holds_up_the_removal_of_nothing_else,
    what_is_kept_is_looked_at_once_until_its_time_comes,
);
