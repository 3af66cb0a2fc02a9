//! Every write that is made again after an unknown outcome has its effect once.

use std::sync::Arc;
use std::time::Duration;

use super::Backend;
use super::chunks::{all, chunk, stored};
use super::fixture::{
    PREFIX, Runner, accepts, assert_fenced, join, join_request, keyed, outcome, request,
    request_id, state_key, state_write, stored_outcome, time,
};
use crate::id::{Epoch, MessageTag, Seq, ShardId, StateVersion};
use crate::storage::ContractStorage;
use crate::storage::{
    Accepted, AttemptWrite, Batch, ChunksRead, Committed, ContractRow, DeadWrite, Fault, Faults,
    FaultyStorage, Fence, HoldWrite, MessageStorage, Missing, OwnershipStorage, RedriveFrom,
    RedriveWrite, RetentionClass, RetireScan, ShapeRow, Storage, StorageError, Write,
};
use crate::time::{Clock, Timestamp};

const UNKNOWN: [Fault; 3] = [Fault::DoneUnknown, Fault::LostUnknown, Fault::LateUnknown];

fn faulty(storage: Arc<dyn Storage>) -> FaultyStorage {
    FaultyStorage::new(storage, Faults::new(7), Clock::system())
}

#[track_caller]
fn assert_unknown<T: std::fmt::Debug>(result: Result<T, StorageError>) {
    assert!(matches!(result, Err(StorageError::UnknownOutcome { .. })), "unknown, not {result:?}");
}

/// Commits as an owner must: after an unknown outcome it raises its fence and writes the same
/// again.
async fn commit_surely(storage: &FaultyStorage, fence: &mut Fence, batch: Batch) -> Committed {
    let batch = Arc::new(batch);
    loop {
        match storage.commit(*fence, batch.clone()).await {
            Err(StorageError::UnknownOutcome { .. }) => {
                *fence = storage.raise_fence(*fence).await.unwrap();
            }
            decided => return decided.unwrap(),
        }
    }
}

// proves: B109, B246
pub(super) async fn a_batch_written_again_has_its_effect_once<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    let storage = faulty(runner.storage.clone());
    let mut fence = runner.fence;
    let shard = request(1).shard;
    for (round, fault) in (0_u64..).zip(UNKNOWN) {
        let seq = |offset: u64| 10 * round + offset;
        let entity = format!("s{round}");
        storage.fail_next(Write::Commit, fault, 2);
        let rows = vec![
            keyed(request(seq(1)), &entity),
            request(seq(2)),
            request(seq(3)),
            request(seq(4)),
        ];
        let first = Batch { states: vec![state_write(&entity, 0, 1)], ..accepts(rows) };
        let committed = commit_surely(&storage, &mut fence, first).await;
        assert!(committed.accepts.iter().all(|new| matches!(new, Accepted::New)), "{committed:?}");

        storage.fail_next(Write::Commit, fault, 2);
        let second = Batch {
            accepts: vec![keyed(request(seq(5)), &entity), request(seq(6))],
            outcomes: vec![outcome(seq(2))],
            states: vec![state_write(&entity, 1, 4)],
            attempts: vec![AttemptWrite {
                seq: Seq::new(seq(3)),
                shard,
                epoch: Epoch::default(),
                attempts: 2,
                retry_at: time(1),
                in_order: false,
                error: "failed".to_owned(),
            }],
            dead: vec![DeadWrite {
                seq: Seq::new(seq(4)),
                shard,
                epoch: Epoch::default(),
                attempts: 10,
                error: "gave up".to_owned(),
                died_at: time(2),
            }],
            chunks: vec![chunk(seq(1), 1), chunk(seq(1), 2)],
            chunks_read: vec![ChunksRead { seq: Seq::new(seq(1)), upto: 1 }],
            ..Batch::default()
        };
        let committed = commit_surely(&storage, &mut fence, second).await;
        assert!(matches!(committed.accepts[0], Accepted::SameKey(_)), "{committed:?}");
        assert!(matches!(committed.accepts[1], Accepted::New), "{committed:?}");

        let runner = Runner { storage: runner.storage.clone(), fence };
        let pending = runner.waiting().await;
        let here = pending.iter().filter(|found| found.request.seq >= Seq::new(seq(0)));
        let seqs: Vec<(u64, u32)> =
            here.map(|found| (found.request.seq.as_u64(), found.attempts)).collect();
        assert_eq!(seqs, [(seq(1), 0), (seq(3), 2), (seq(6), 0)], "after {fault:?}");
        let found = runner.find(request_id(seq(2))).await.unwrap();
        assert_eq!(found.outcome, Some(stored_outcome(seq(2))));
        assert_eq!(runner.state(&entity).await.unwrap().version, StateVersion::new(4));
        let letters = storage.dead_letters(Seq::new(seq(0)), 10).await.unwrap();
        assert_eq!(letters.len(), 1);
        let chunks = stored(&runner, all(seq(1))).await;
        assert_eq!(chunks, [(1, true), (2, false)], "after {fault:?}");
    }
}

// proves: B109
pub(super) async fn a_request_is_moved_once_however_often_it_is_written<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    let storage = faulty(runner.storage.clone());
    let mut fence = runner.fence;
    let (shard, epoch) = (request(1).shard, Epoch::default());
    for (round, fault) in (0_u64..).zip(UNKNOWN) {
        let seq = |offset: u64| 10 * round + offset;
        let first = accepts(vec![request(seq(1)), request(seq(3)), request(seq(4))]);
        commit_surely(&storage, &mut fence, first).await;
        let second = Batch {
            attempts: vec![AttemptWrite {
                seq: Seq::new(seq(3)),
                shard,
                epoch,
                attempts: 2,
                retry_at: time(1),
                in_order: false,
                error: "failed".to_owned(),
            }],
            dead: vec![DeadWrite {
                seq: Seq::new(seq(4)),
                shard,
                epoch,
                attempts: 10,
                error: "gave up".to_owned(),
                died_at: time(2),
            }],
            ..Batch::default()
        };
        commit_surely(&storage, &mut fence, second).await;

        storage.fail_next(Write::Commit, fault, 2);
        let third = Batch {
            holds: vec![HoldWrite {
                seq: Seq::new(seq(1)),
                shard,
                epoch: Epoch::default(),
                held_at: time(3),
                missing: Missing::Message,
            }],
            redrives: vec![RedriveWrite {
                seq: Seq::new(seq(4)),
                shard,
                epoch: Epoch::default(),
                from: RedriveFrom::Dead(time(2)),
                due_at: Some(time(4)),
            }],
            ..Batch::default()
        };
        commit_surely(&storage, &mut fence, third).await;
        assert_eq!(storage.held(Seq::new(seq(0)), 10).await.unwrap().len(), 1);
        let runner = Runner { storage: runner.storage.clone(), fence };
        let due = runner.due().await;
        let here = due.iter().filter(|found| found.request.seq >= Seq::new(seq(0)));
        let here: Vec<_> = here.map(|found| (found.request.seq.as_u64(), found.attempts)).collect();
        assert_eq!(here, [(seq(3), 2), (seq(4), 0)], "after {fault:?}");
    }
}

// proves: B109
pub(super) async fn every_write_of_ownership_may_be_repeated<B: Backend>(backend: B) {
    let storage = faulty(backend.open(PREFIX).await);
    for (epoch, fault) in (1..).zip(UNKNOWN) {
        storage.fail_next(Write::Join, fault, 1);
        assert_unknown(join(&storage).await);
        let joined = join(&storage).await.unwrap();
        let mut fence = joined.fence;

        storage.fail_next(Write::TakeShards, fault, 1);
        let shards = vec![ShardId::new(1), ShardId::new(2)];
        assert_unknown(storage.take_shards(fence, shards.clone()).await);
        let taken = storage.take_shards(fence, shards).await.unwrap();
        let epochs: Vec<u64> = taken.iter().map(|taken| taken.epoch.as_u64()).collect();
        assert_eq!(epochs, [epoch, epoch], "taken once, after {fault:?}");

        storage.fail_next(Write::Renew, fault, 1);
        let lease = Duration::from_secs(3_600);
        assert_unknown(storage.renew(fence, lease).await);
        let now = storage.renew(fence, lease).await.unwrap();
        let ends_at = storage.runners().await.unwrap().last().map(|row| row.lease_ends_at);
        assert_eq!(ends_at, Some(now.now.after(lease)), "after {fault:?}");

        storage.fail_next(Write::RaiseFence, fault, 1);
        assert_unknown(storage.raise_fence(fence).await);
        let raised = storage.raise_fence(fence).await.unwrap();
        assert_eq!(raised, fence.raised(), "raised once, after {fault:?}");
        fence = raised;
        storage.commit(fence, Arc::default()).await.unwrap();

        storage.fail_next(Write::SetTimeOffset, fault, 1);
        assert_unknown(storage.set_cluster_time_offset(3_600_000).await);
        storage.set_cluster_time_offset(3_600_000).await.unwrap();
        let ahead = storage.cluster_time().await.unwrap();
        storage.set_cluster_time_offset(0).await.unwrap();
        let now = storage.cluster_time().await.unwrap();
        let apart = ahead.since(now).as_secs();
        assert!((3_500..=3_600).contains(&apart), "set once: {apart} s, after {fault:?}");

        storage.fail_next(Write::Leave, fault, 1);
        assert_unknown(storage.leave(fence).await);
        storage.leave(fence).await.unwrap();
        assert_fenced(storage.commit(fence, Arc::default()).await);
    }
    storage.join(join_request()).await.unwrap();
}

// proves: B109
pub(super) async fn every_other_write_may_be_repeated<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    let storage = faulty(runner.storage.clone());
    for (round, fault) in (0_u64..).zip(UNKNOWN) {
        let shapes = vec![ShapeRow { fingerprint: round, shape: "shape".into() }];
        storage.fail_next(Write::StoreShapes, fault, 1);
        assert_unknown(storage.store_shapes(shapes.clone()).await);
        storage.store_shapes(shapes.clone()).await.unwrap();
        assert_eq!(storage.load_shape(round).await.unwrap().as_ref(), shapes.first());

        let contract = ContractRow {
            entity_type: "Account".into(),
            tag: MessageTag::of("withdraw"),
            name: "withdraw".into(),
            arguments: round,
            reply: 1,
            error: 2,
        };
        storage.fail_next(Write::StoreContracts, fault, 1);
        assert_unknown(storage.store_contracts(vec![contract.clone()]).await);
        storage.store_contracts(vec![contract.clone()]).await.unwrap();
        assert_eq!(storage.load_contracts().await.unwrap(), [contract]);

        runner.accept(vec![request(2 * round + 1), request(2 * round + 2)]).await;
        runner.finish([2 * round + 1]).await;
        let scan = RetireScan {
            finished_before: [Timestamp::from_unix_ms(i64::MAX); RetentionClass::COUNT],
            after: Seq::new(0),
            limit: 100,
            reached: None,
        };
        storage.fail_next(Write::Retire, fault, 1);
        assert_unknown(storage.retire(runner.fence, scan.clone()).await);
        storage.retire(runner.fence, scan).await.unwrap();
        assert!(runner.find(request_id(2 * round + 1)).await.is_none());
        assert!(runner.find(request_id(2 * round + 2)).await.is_some());
    }
}

// proves: B109, B245
pub(super) async fn a_lost_commit_never_lands_beside_its_retry<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    let storage = faulty(runner.storage.clone());
    let mut fence = runner.fence;
    // Each commit is told to be lost while it is on its way; it lands before the fence is raised or
    // is refused after it. Both happen with this seed.
    for round in 0..20 {
        storage.fail_next(Write::Commit, Fault::LateUnknown, 1);
        let write = state_write("e", round, round + 1);
        let batch = Arc::new(Batch { states: vec![write], ..accepts(vec![request(round + 1)]) });
        assert_unknown(storage.commit(fence, batch).await);
        fence = storage.raise_fence(fence).await.unwrap();

        // What is read now is decided: the lost one is there for ever or will never be.
        let version = || async {
            let row = storage.load_states(vec![state_key("e")]).await.unwrap().remove(0);
            row.map(|row| row.version.as_u64()).unwrap_or_default()
        };
        if version().await == round {
            let write = state_write("e", round, round + 1);
            let batch = Batch { states: vec![write], ..accepts(vec![request(round + 1)]) };
            storage.commit(fence, Arc::new(batch)).await.unwrap();
        }
        assert_eq!(version().await, round + 1);
    }
    let counts = storage.counts();
    assert_eq!(counts.late_stored + counts.late_refused, 20);
    assert!(counts.late_stored > 0 && counts.late_refused > 0, "{counts:?}");
    let runner = Runner { fence, ..runner };
    assert_eq!(runner.pending_seqs().await, (1..=20).collect::<Vec<_>>());
}
