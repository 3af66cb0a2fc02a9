//! The lease of a runner: renewed while it lives, told when it is not, lost with the fence.

use cluster::prelude::*;
use cluster::storage::{OwnershipStorage, RunnerRow};
use tokio::spawn;

use crate::entities::{Counter, start};
use crate::support::{Bed, Probe, Reading, backends, settle, unknown};

const SECOND: Duration = Duration::from_secs(1);
const LEASE: Duration = Duration::from_secs(5);

/// What the database says of the runner that started last.
async fn row(bed: &Bed) -> RunnerRow {
    bed.faulty().runners().await.unwrap().pop().expect("one has started")
}

async fn it_is_renewed_for_as_long_as_the_runner_lives(bed: Bed) {
    let bed = bed.with_virtual_time();
    let cluster = start(&bed, &Probe::default()).await;
    let joined = bed.clock().wall();
    assert_eq!(row(&bed).await.lease_ends_at, joined.after(LEASE));
    for _ in 0..20 {
        bed.advance(SECOND).await;
        assert_eq!(row(&bed).await.lease_ends_at, bed.clock().wall().after(LEASE));
        assert_eq!(cluster.stats().lease_age, Duration::ZERO);
    }
    assert_eq!(row(&bed).await.joined_at, joined);
    // Time that a test moves does not stop for it: a month is not two million renewals.
    let renewals = bed.door.calls("renew");
    bed.advance(30 * 86_400 * SECOND).await;
    let month = bed.door.calls("renew") - renewals;
    assert!((1..1_000).contains(&month), "{month} renewals");
    assert_eq!(cluster.stats().lease_age, Duration::ZERO);
    let last = row(&bed).await;
    assert!(last.alive && last.lease_ends_at == bed.clock().wall().after(LEASE));
    cluster.shutdown().await.unwrap();
    assert!(!row(&bed).await.alive);
}

async fn a_failed_renewal_is_tried_again_and_nothing_stops(bed: Bed) {
    let bed = bed.with_virtual_time();
    let cluster = start(&bed, &Probe::default()).await;
    let counter = cluster.get::<Counter>("c");
    bed.advance(SECOND).await;
    let ends_at = row(&bed).await.lease_ends_at;
    bed.door.fail("renew", 7);
    for second in 1..=7 {
        bed.advance(SECOND).await;
        assert_eq!(cluster.stats().lease_age, second * SECOND);
        // Nobody else can own what this process has locked.
        assert_eq!(counter.add(1).await.unwrap(), i64::from(second));
    }
    assert_eq!(bed.door.failures_left("renew"), 0);
    assert_eq!(row(&bed).await.lease_ends_at, ends_at);
    bed.advance(SECOND).await;
    assert_eq!(cluster.stats().lease_age, Duration::ZERO);
    assert_eq!(row(&bed).await.lease_ends_at, bed.clock().wall().after(LEASE));
    // One that does not answer is waited for, and is none.
    bed.door.stop("renew", Reading::Before);
    for second in 1..=7 {
        bed.advance(SECOND).await;
        assert_eq!(cluster.stats().lease_age, second * SECOND);
    }
    bed.door.stopped("renew", Reading::Before, 1).await;
    bed.door.go_on("renew");
    bed.advance(SECOND).await;
    assert_eq!(cluster.stats().lease_age, Duration::ZERO);
}

/// The fence is raised while a renewal is on its way: it comes too late, under the old number.
async fn a_raised_fence_ends_nobodys_lease(bed: Bed) {
    let bed = bed.with_virtual_time();
    let cluster = start(&bed, &Probe::default()).await;
    let counter = cluster.get::<Counter>("c");
    assert_eq!(counter.add(1).await.unwrap(), 1);
    bed.door.stop("renew", Reading::Before);
    bed.advance(SECOND).await;
    bed.door.stopped("renew", Reading::Before, 1).await;
    bed.door.hold_answers();
    let call = spawn(counter.add(1).into_future());
    bed.door.answers_held(1).await;
    bed.door.answer_with(unknown());
    bed.door.release();
    assert_eq!(call.await.unwrap().unwrap(), 2);
    assert!(bed.door.calls("raise_fence") > 0);
    let renewals = bed.door.calls("renew");
    bed.door.go_on("renew");
    bed.settle().await;
    assert_eq!(bed.door.calls("renew"), renewals + 1, "once more, under the new number");
    assert_eq!(cluster.stats().lease_age, Duration::ZERO);
    assert!(!cluster.is_shutting_down());
    assert_eq!(counter.add(1).await.unwrap(), 3);
}

/// It would not find out otherwise: it has nothing to write.
// proves: B118
#[tokio::test]
async fn a_runner_that_was_replaced_finds_out_and_ends() {
    let bed = Bed::memory().with_virtual_time();
    let first = start(&bed, &Probe::default()).await;
    let counter = first.get::<Counter>("c");
    assert_eq!(counter.add(1).await.unwrap(), 1);
    let waits = counter.add(1).after(3_600 * SECOND).send().await.unwrap();
    let waiter = spawn(async move { waits.outcome().await });
    let second = bed.start_beside(|builder| builder.entity::<Counter>()).await;
    settle().await;
    assert!(!first.is_shutting_down(), "nobody has told it");
    bed.advance(SECOND).await;
    assert!(first.is_shutting_down());
    assert!(matches!(counter.value().await, Err(ClusterError::ShuttingDown)));
    let told = waiter.await.unwrap();
    assert!(matches!(told, Err(ClusterError::ShuttingDown)), "{told:?}");
    assert_eq!(second.get::<Counter>("c").add(1).await.unwrap(), 2);
    assert!(!second.is_shutting_down());
}

backends!(
    it_is_renewed_for_as_long_as_the_runner_lives,
    a_failed_renewal_is_tried_again_and_nothing_stops,
    a_raised_fence_ends_nobodys_lease,
);
