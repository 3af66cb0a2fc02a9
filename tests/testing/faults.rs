//! Storage faults by name: what each does to the calls of a cluster, and that it goes on when they
//! are healed.

use std::time::Duration;

use cluster::prelude::*;
use cluster::testing::{Fault, FaultCounts, Faults, TestCluster, TestClusterBuilder, Write};

use crate::support::{Bed, Probe, backends, is_waiting, soon, until};

const HOUR: Duration = Duration::from_secs(3_600);

#[derive(Entity)]
struct Tally {
    #[state]
    sum: i64,
    probe: Probe,
}

#[entity]
impl Tally {
    #[message(persisted)]
    fn add(&mut self, amount: i64) -> i64 {
        self.probe.note("ran");
        self.sum += amount;
        self.sum
    }

    #[message]
    fn sum(&self) -> i64 {
        self.sum
    }
}

async fn start(bed: &Bed) -> TestCluster {
    build(bed).await.start().await
}

async fn build(bed: &Bed) -> TestClusterBuilder {
    let probe = bed.probe.clone();
    let made = move |_: &EntityId| Tally { sum: 0, probe: probe.clone() };
    TestCluster::new().storage(bed.open().await).entity_with::<Tally>(made)
}

/// What a fault has sent into a pause goes on, whatever the seed.
// proves: B237
async fn what_is_healed_goes_on(bed: Bed) {
    let storage = bed.open().await;
    for seed in 0..20 {
        let probe = bed.probe.clone();
        let cluster = TestCluster::new()
            .seed(seed)
            .faults(Fault::fail_before_commit(0.3))
            .storage(storage.clone())
            .entity_with::<Tally>(move |_| Tally { sum: 0, probe: probe.clone() })
            .start()
            .await;
        let tally = cluster.get::<Tally>(seed.to_string());
        let mut accepted = 0;
        for _ in 0..5 {
            accepted += i64::from(tally.add(1).send().await.is_ok());
        }
        cluster.heal().await;
        let sum = soon(tally.sum().into_future()).await.unwrap();
        assert!(sum >= accepted, "{sum} of {accepted}");
        cluster.shutdown().await.unwrap();
    }
}

// proves: B237
async fn a_hung_storage_answers_nobody_until_it_is_healed(bed: Bed) {
    let cluster = start(&bed).await;
    let tally = cluster.get::<Tally>("t");
    assert_eq!(tally.add(1).await.unwrap(), 1);
    cluster.settle().await;
    cluster.storage().hang();
    let before = bed.door.all_calls();
    let mut patient = tally.add(10).timeout(HOUR).into_future();
    assert!(is_waiting(&mut patient).await);
    let mut hasty = tally.add(100).timeout(Duration::from_secs(1)).into_future();
    assert!(is_waiting(&mut hasty).await);
    // A call that is dropped while it hangs is as if it had not been made.
    {
        let storage = cluster.storage().clone();
        use cluster::storage::OwnershipStorage;
        let mut asked = storage.highest_seq();
        assert!(is_waiting(&mut asked).await);
    }
    cluster.advance(Duration::from_secs(60)).await;
    let ended = soon(hasty).await;
    assert!(matches!(ended, Err(ClusterError::Timeout { .. })), "{ended:?}");
    assert!(is_waiting(&mut patient).await);
    assert_eq!(bed.door.all_calls(), before, "nothing came through");
    assert_eq!(bed.probe.count("ran"), 1);
    assert!(cluster.storage().counts().hung >= 2);

    cluster.heal().await;
    assert_eq!(soon(patient).await.unwrap(), 11);
    // What was handed over goes on without its caller.
    soon(cluster.caught_up()).await.unwrap();
    assert_eq!(tally.sum().await.unwrap(), 111);
    assert_eq!(bed.probe.count("ran"), 3);
    cluster.shutdown().await.unwrap();
}

// proves: B237
async fn one_hung_commit_holds_up_its_own_kind_only(bed: Bed) {
    let cluster = start(&bed).await;
    let tally = cluster.get::<Tally>("t");
    assert_eq!(tally.add(1).await.unwrap(), 1);
    cluster.storage().fail_next(Write::Commit, Fault::Hung, 1);
    let mut adding = tally.add(1).timeout(HOUR).into_future();
    assert!(is_waiting(&mut adding).await);
    until(|| cluster.storage().counts().hung == 1).await;
    assert_eq!(tally.sum().await.unwrap(), 1, "it is in memory");
    assert!(is_waiting(&mut adding).await);
    cluster.heal().await;
    assert_eq!(soon(adding).await.unwrap(), 2);
    cluster.shutdown().await.unwrap();
}

/// Whoever meets it tries again by itself: the test need not move time.
// proves: B237
async fn a_scripted_fault_is_got_over(bed: Bed) {
    let faults = [Fault::Refused, Fault::DoneUnknown, Fault::LostUnknown, Fault::LateUnknown];
    for (nth, fault) in faults.into_iter().enumerate() {
        let cluster = build(&bed).await.seed(nth as u64).start().await;
        let tally = cluster.get::<Tally>(nth.to_string());
        let began = cluster.clock().now();
        for times in 1..=3 {
            cluster.storage().fail_next(Write::Commit, fault, times);
            let sum = soon(tally.add(1).into_future()).await.unwrap();
            assert_eq!(sum, i64::from(times), "{fault:?}");
        }
        cluster.caught_up().await.unwrap();
        let passed = || cluster.clock().now() - began;
        until(|| passed() >= Duration::from_secs(2)).await;
        cluster.settle().await;
        assert!(passed() <= Duration::from_secs(6 * 2), "and then time stands still again");
        cluster.shutdown().await.unwrap();
    }
}

/// One that outlasts all attempts is told.
// proves: B237
async fn a_scripted_fault_without_end_is_told(bed: Bed) {
    let cluster = start(&bed).await;
    let tally = cluster.get::<Tally>("t");
    cluster.storage().fail_next(Write::Commit, Fault::Refused, u32::MAX);
    let lost = soon(tally.add(1).timeout(HOUR).into_future()).await.unwrap_err();
    assert!(matches!(lost, ClusterError::Persistence { .. }), "{lost:?}");
}

// proves: B237
async fn a_lost_connection_is_told_and_comes_back_by_itself_or_when_healed(bed: Bed) {
    let cluster = start(&bed).await;
    let tally = cluster.get::<Tally>("t");
    assert_eq!(tally.add(1).key("1").await.unwrap(), 1);
    let lost = async |key: &str| {
        let mut adding = tally.add(1).key(key).timeout(HOUR).into_future();
        assert!(is_waiting(&mut adding).await, "it is tried again");
        cluster.advance(Duration::from_secs(5)).await;
        let lost = soon(adding).await.unwrap_err();
        assert!(matches!(lost, ClusterError::Persistence { .. }), "{lost:?}");
        assert!(lost.is_retryable());
    };
    cluster.storage().disconnect_for(Duration::from_secs(10));
    lost("2").await;
    cluster.advance(Duration::from_secs(5)).await;
    assert_eq!(soon(tally.add(1).key("2")).await.unwrap(), 2);

    cluster.storage().disconnect();
    lost("3").await;
    cluster.advance(HOUR).await;
    lost("3").await;
    cluster.heal().await;
    assert_eq!(soon(tally.add(1).key("3")).await.unwrap(), 3);
    assert!(cluster.storage().counts().disconnected > 0);
    cluster.shutdown().await.unwrap();
}

// proves: B237
async fn every_kind_of_fault_fires_by_its_name_and_nothing_is_lost_or_doubled(bed: Bed) {
    let short = Duration::from_millis(50);
    let kinds: [(Faults, fn(&FaultCounts) -> u64); 6] = [
        (Fault::unknown_commit(0.2), |counts| counts.done_unknown.min(counts.lost_unknown)),
        (Fault::fail_before_commit(0.2), |counts| counts.refused),
        (Fault::fail_reads(0.9), |counts| counts.failed_reads),
        (Fault::slow(0.2, short), |counts| counts.slowed),
        (Fault::disconnect(0.05, short), |counts| counts.disconnected),
        (
            Fault::slow(0.1, short) | Fault::unknown_commit(0.1) | Fault::disconnect(0.05, short),
            |counts| counts.slowed.min(counts.done_unknown).min(counts.disconnected),
        ),
    ];
    for (nth, (faults, fired)) in kinds.into_iter().enumerate() {
        // Ids follow from the seed, and this is one database.
        let seed = nth as u64;
        let cluster = build(&bed).await.seed(seed).faults(faults).start().await;
        let tally = cluster.get::<Tally>(format!("{nth}"));
        for n in 0..60 {
            // Trouble that outlasts all attempts is told: then the same key is asked again.
            let told = async || tally.add(1).key(format!("{nth}-{n}")).timeout(HOUR).await;
            while let Err(error) = told().await {
                assert!(error.is_retryable(), "{error:?}");
            }
        }
        cluster.heal().await;
        assert_eq!(tally.add(0).await.unwrap(), 60);
        let counts = cluster.storage().counts();
        assert!(fired(&counts) > 0, "{nth}: {counts:?}");
        cluster.shutdown().await.unwrap();
    }
}

backends!(
    what_is_healed_goes_on,
    a_hung_storage_answers_nobody_until_it_is_healed,
    one_hung_commit_holds_up_its_own_kind_only,
    a_scripted_fault_is_got_over,
    a_scripted_fault_without_end_is_told,
    a_lost_connection_is_told_and_comes_back_by_itself_or_when_healed,
    every_kind_of_fault_fires_by_its_name_and_nothing_is_lost_or_doubled,
);
