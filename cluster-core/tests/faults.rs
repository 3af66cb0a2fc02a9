//! The storage that fails on purpose: what each fault does and says, and that a seed repeats
//! itself.
#![allow(clippy::unwrap_used)] // Helpers of tests fail as tests do.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cluster_core::id::{Epoch, SHARD_HASH_VERSION, Seq, ShardCount, ShardId, StateVersion};
use cluster_core::storage::{
    Batch, Fault, FaultCounts, Faults, FaultyStorage, Fence, JoinRequest, MemoryStorage,
    MessageStorage, OwnershipStorage, StateKey, StateWrite, Storage, StorageError, Write,
};
use cluster_core::time::{Clock, Timestamp, VirtualClock};

fn key() -> StateKey {
    StateKey { shard: ShardId::new(1), entity_type: "Account".into(), entity_id: "a".into() }
}

/// The batch that makes a version of the one state.
fn batch(to: u64) -> Arc<Batch> {
    let write = StateWrite {
        key: key(),
        epoch: Epoch::new(1),
        from: StateVersion::new(to - 1),
        to: StateVersion::new(to),
        payload: Bytes::from(to.to_string()),
    };
    Arc::new(Batch { states: vec![write], ..Batch::default() })
}

async fn version(storage: &dyn Storage) -> u64 {
    let row = storage.load_states(vec![key()]).await.unwrap().remove(0);
    row.map(|row| row.version.as_u64()).unwrap_or_default()
}

async fn faulty(faults: Faults) -> (FaultyStorage, MemoryStorage, Fence) {
    let memory = MemoryStorage::default();
    let inner: Arc<dyn Storage> = Arc::new(memory.clone());
    let storage = FaultyStorage::new(inner, faults, Clock::system());
    let request = JoinRequest {
        shard_count: ShardCount::default(),
        shard_hash_version: SHARD_HASH_VERSION,
        groups: vec!["default".into()],
        advertised: String::new(),
        lease: Duration::from_secs(5),
    };
    let fence = storage.join(request).await.unwrap().fence;
    (storage, memory, fence)
}

#[tokio::test]
async fn a_scripted_fault_hits_the_next_writes_of_its_kind() {
    let (storage, memory, fence) = faulty(Faults::new(1)).await;
    storage.fail_next(Write::Commit, Fault::Refused, 2);
    storage.fail_next(Write::RaiseFence, Fault::Refused, 1);
    for _ in 0..2 {
        let refused = storage.commit(fence, batch(1)).await;
        assert!(matches!(refused, Err(StorageError::Unavailable { .. })), "{refused:?}");
        assert_eq!(version(&memory).await, 0);
    }
    storage.commit(fence, batch(1)).await.unwrap();
    assert!(storage.raise_fence(fence).await.is_err());
    assert_eq!(storage.raise_fence(fence).await.unwrap(), fence.raised());
    let counts = storage.counts();
    assert_eq!((counts.refused, counts.commits, counts.faults()), (3, 1, 3));
    assert_eq!(storage.kind(), "memory");
    assert!(storage.transactions().is_none());
}

#[tokio::test]
async fn an_unknown_outcome_is_done_lost_or_late() {
    let (storage, memory, fence) = faulty(Faults::new(1)).await;
    let told = |result: Result<_, StorageError>| {
        assert!(matches!(result, Err(StorageError::UnknownOutcome { .. })));
    };
    storage.fail_next(Write::Commit, Fault::DoneUnknown, 1);
    told(storage.commit(fence, batch(1)).await.map(drop));
    assert_eq!(version(&memory).await, 1);

    storage.fail_next(Write::Commit, Fault::LostUnknown, 1);
    told(storage.commit(fence, batch(2)).await.map(drop));
    assert_eq!(version(&memory).await, 1);

    storage.fail_next(Write::Commit, Fault::LateUnknown, 1);
    told(storage.commit(fence, batch(2)).await.map(drop));
    assert_eq!(version(&memory).await, 1, "on its way");
    storage.raise_fence(fence).await.unwrap();
    let counts = storage.counts();
    assert_eq!(counts.late_stored + counts.late_refused, 1);
    assert_eq!(version(&memory).await, 1 + counts.late_stored);
    assert_eq!((counts.done_unknown, counts.lost_unknown), (1, 1));
}

#[tokio::test]
async fn a_sure_failure_is_told_as_it_is() {
    let (storage, _, fence) = faulty(Faults::new(1)).await;
    storage.fail_next(Write::Commit, Fault::DoneUnknown, 1);
    let conflict = storage.commit(fence, batch(7)).await;
    assert!(matches!(conflict, Err(StorageError::StateConflict { .. })), "{conflict:?}");
}

/// Commits a hundred versions as an owner must; the versions that were refused, and the counts.
async fn run(seed: u64) -> (Vec<u64>, FaultCounts) {
    let faults = Faults::new(seed).unknown_commit(0.2).fail_before_commit(0.1).fail_reads(0.05);
    let (storage, memory, mut fence) = faulty(faults.hit(&[Write::Commit])).await;
    let mut refused = Vec::new();
    let mut to = 1;
    while to <= 100 {
        match storage.commit(fence, batch(to)).await {
            Ok(_) => to += 1,
            Err(StorageError::Unavailable { .. }) => refused.push(to),
            Err(StorageError::UnknownOutcome { .. }) => {
                fence = storage.raise_fence(fence).await.unwrap();
            }
            Err(other) => panic!("{other:?}"),
        }
        let _ = storage.highest_seq().await;
    }
    assert_eq!(version(&memory).await, 100);
    (refused, storage.counts())
}

// proves: B109
#[tokio::test]
async fn a_seed_repeats_its_faults_and_an_owner_survives_them() {
    let mut all = FaultCounts::default();
    for seed in 0..30 {
        let (refused, counts) = run(seed).await;
        assert_eq!((refused, counts), run(seed).await, "seed {seed}");
        all.refused += counts.refused;
        all.done_unknown += counts.done_unknown;
        all.lost_unknown += counts.lost_unknown;
        all.late_stored += counts.late_stored;
        all.late_refused += counts.late_refused;
        all.failed_reads += counts.failed_reads;
    }
    let kinds = [
        all.refused,
        all.done_unknown,
        all.lost_unknown,
        all.late_stored,
        all.late_refused,
        all.failed_reads,
    ];
    assert!(kinds.iter().all(|kind| *kind > 10), "every kind of fault fires: {all:?}");
}

#[tokio::test]
async fn a_slow_call_waits_on_the_injected_clock() {
    let clock = VirtualClock::starting_at(Timestamp::from_unix_ms(0));
    let inner: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
    let faults = Faults::new(1).slow(1.0, Duration::from_secs(3_600));
    let storage = FaultyStorage::new(inner, faults, Clock::from_virtual(clock.clone()));
    let asked = storage.clone();
    let reading = tokio::spawn(async move { asked.highest_seq().await });
    while clock.next_timer().is_none() {
        tokio::task::yield_now().await;
    }
    assert!(!reading.is_finished());
    clock.advance(Duration::from_secs(3_600));
    assert_eq!(reading.await.unwrap().unwrap(), Seq::new(0));
    assert_eq!(storage.counts().slowed, 1);
}

#[tokio::test]
async fn healed_it_fails_no_more() {
    let faults = Faults::new(1).unknown_commit(0.5).fail_before_commit(0.5).fail_reads(1.0);
    let (storage, _, fence) = faulty(faults).await;
    storage.fail_next(Write::Commit, Fault::Refused, 1_000);
    assert!(storage.highest_seq().await.is_err());
    storage.heal();
    for to in 1..=50 {
        storage.commit(fence, batch(to)).await.unwrap();
    }
    assert_eq!(version(&storage).await, 50);
}
