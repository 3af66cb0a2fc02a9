//! Runners, fences, shards, settings and time.

use std::sync::Arc;
use std::time::Duration;

use super::Backend;
use super::fixture::{
    PREFIX, Runner, accepts, assert_fenced, join, join_request, outcome, request, request_id,
    state_write,
};
use crate::id::{FenceNumber, Incarnation, Seq, ShardCount, ShardId};
use crate::storage::{
    Batch, Fence, JoinRequest, PendingScan, RUNNERS_LISTED, RetentionClass, RetireScan, RunnerRow,
    ShardGroup, Storage, StorageError, TakenShard,
};
use crate::time::{ClusterTime, Timestamp};

const LEASE: Duration = Duration::from_secs(7);

/// What is listed of a start.
async fn listed(storage: &dyn Storage, fence: Fence) -> RunnerRow {
    let rows = storage.runners().await.unwrap();
    rows.into_iter().find(|row| row.incarnation == fence.incarnation).expect("it is listed")
}

// proves: B102
pub(super) async fn a_renewal_moves_the_end_of_the_lease<B: Backend>(backend: B) {
    let storage = backend.open(PREFIX).await;
    let request = JoinRequest { advertised: r"some\where\x:7000".into(), ..join_request() };
    let first_lease = request.lease;
    let before = storage.cluster_time().await.unwrap();
    let joined = storage.join(request).await.unwrap();
    assert!(joined.now.now >= before && joined.now.now <= storage.cluster_time().await.unwrap());
    let row = listed(&*storage, joined.fence).await;
    let expected = RunnerRow {
        incarnation: joined.fence.incarnation,
        machine: joined.machine,
        advertised: r"some\where\x:7000".into(),
        joined_at: joined.now.now,
        lease_ends_at: joined.now.now.after(first_lease),
        alive: true,
    };
    assert_eq!(row, expected);

    storage.set_cluster_time_offset(86_400_000).await.unwrap();
    for lease in [LEASE, LEASE, first_lease] {
        let ClusterTime { now, offset_ms } = storage.renew(joined.fence, lease).await.unwrap();
        assert_eq!((offset_ms, joined.now.offset_ms), (86_400_000, 0));
        let past = now.since(joined.now.now);
        assert!(past >= Duration::from_secs(86_400), "cluster time, not {past:?} later");
        assert!(now <= storage.cluster_time().await.unwrap());
        let renewed = listed(&*storage, joined.fence).await;
        assert_eq!(renewed, RunnerRow { lease_ends_at: now.after(lease), ..row.clone() });
    }
}

// proves: B118, B121
pub(super) async fn who_has_lost_its_fence_renews_nothing<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    let storage = &*runner.storage;
    let raised = storage.raise_fence(runner.fence).await.unwrap();
    let before = listed(storage, raised).await;
    assert_fenced(storage.renew(runner.fence, LEASE).await);
    assert_eq!(listed(storage, raised).await, before, "not under an old number");
    storage.renew(raised, LEASE).await.expect("it is alive");
    let before = listed(storage, raised).await;

    let next = join(storage).await.unwrap();
    assert_fenced(storage.renew(raised, Duration::from_secs(3_600)).await);
    let dead = RunnerRow { alive: false, ..before };
    assert_eq!(listed(storage, raised).await, dead, "the next one has taken over");
    storage.renew(next.fence, LEASE).await.unwrap();
    storage.leave(next.fence).await.unwrap();
    assert_fenced(storage.renew(next.fence, LEASE).await);
    let unknown = Fence { incarnation: Incarnation::new(999), number: FenceNumber::new(1) };
    assert_fenced(storage.renew(unknown, LEASE).await);
}

// proves: B102
pub(super) async fn the_last_starts_of_runners_are_listed<B: Backend>(backend: B) {
    let storage = backend.open(PREFIX).await;
    assert_eq!(storage.runners().await.unwrap(), []);
    let mut started = Vec::new();
    for _ in 0..RUNNERS_LISTED + 3 {
        started.push(join(&*storage).await.unwrap().fence.incarnation);
    }
    let rows = storage.runners().await.unwrap();
    let of: Vec<Incarnation> = rows.iter().map(|row| row.incarnation).collect();
    assert_eq!(of, started[3..], "the last ones, in the order of their starts");
    let alive: Vec<bool> = rows.iter().map(|row| row.alive).collect();
    assert_eq!(alive[..RUNNERS_LISTED - 1], [false; RUNNERS_LISTED - 1]);
    assert!(alive[RUNNERS_LISTED - 1], "nobody has taken over from the last one");
}

// proves: B127
pub(super) async fn the_first_runner_fixes_the_settings<B: Backend>(backend: B) {
    let storage = backend.open(PREFIX).await;
    let first = join(&*storage).await.unwrap();

    let shards = JoinRequest { shard_count: ShardCount::new(64).unwrap(), ..join_request() };
    let hash = JoinRequest { shard_hash_version: 2, ..join_request() };
    for (request, name, here, there) in
        [(shards, "shard_count", "64", "256"), (hash, "shard_hash_version", "2", "1")]
    {
        let refused = storage.join(request).await;
        let Err(StorageError::SettingDiffers { setting, stored, given }) = refused else {
            panic!("refused, not {refused:?}");
        };
        assert_eq!((setting, given.as_str(), stored.as_str()), (name, here, there));
    }
    let shards = vec![first.groups[0].shard(3)];
    storage.take_shards(first.fence, shards).await.expect("a refused runner fences nobody off");
}

// proves: B102
pub(super) async fn shard_groups_keep_their_numbers<B: Backend>(backend: B) {
    let storage = backend.open(PREFIX).await;
    let ask = |names: &[&str]| JoinRequest {
        groups: names.iter().map(|name| Arc::from(*name)).collect(),
        ..join_request()
    };
    let groups = storage.join(ask(&["orders", "mail"])).await.unwrap().groups;
    assert_eq!(groups, [ShardGroup(0), ShardGroup(1)]);
    let groups = storage.join(ask(&["mail", "new", "Mail", "orders"])).await.unwrap().groups;
    assert_eq!(groups, [ShardGroup(1), ShardGroup(2), ShardGroup(3), ShardGroup(0)]);
}

// proves: B258
pub(super) async fn a_batch_of_nothing_confirms_the_fence<B: Backend>(backend: B) {
    let old = Runner::start(&backend).await;
    let confirm = |fence| old.storage.commit(fence, Arc::new(Batch::default()));
    confirm(old.fence).await.expect("it is the owner");
    let raised = old.storage.raise_fence(old.fence).await.unwrap();
    assert_fenced(confirm(old.fence).await);
    confirm(raised).await.expect("it is the owner under its new fence");
    let joined = join(&*old.storage).await.unwrap();
    assert_fenced(confirm(raised).await);
    confirm(joined.fence).await.expect("another is the owner");
}

// proves: B118, B121
pub(super) async fn joining_fences_off_every_earlier_incarnation<B: Backend>(backend: B) {
    let old = Runner::start(&backend).await;
    old.accept(vec![request(1)]).await;
    let joined = join(&*old.storage).await.unwrap();
    assert!(joined.fence.incarnation > old.fence.incarnation);

    let batch = Batch {
        accepts: vec![request(2)],
        outcomes: vec![outcome(1)],
        states: vec![state_write("e", 0, 1)],
        ..Batch::default()
    };
    assert_fenced(old.commit(batch).await);
    assert_fenced(old.commit(Batch::default()).await);
    assert_fenced(old.storage.take_shards(old.fence, vec![ShardId::new(1)]).await);
    assert_fenced(old.storage.renew(old.fence, LEASE).await);
    assert_fenced(old.storage.raise_fence(old.fence).await);
    let scan = PendingScan { after: Seq::new(0), entity: None, limit: 10, bytes: usize::MAX };
    assert_fenced(old.storage.load_pending(old.fence, scan).await);
    let past = RetireScan {
        finished_before: [Timestamp::from_unix_ms(i64::MAX); RetentionClass::COUNT],
        after: Seq::new(0),
        limit: 10,
        reached: None,
    };
    assert_fenced(old.storage.retire(old.fence, past).await);

    let new = Runner::on(old.storage.clone()).await;
    assert_eq!(new.pending_seqs().await, [1], "nothing of the old one was written");
    assert!(new.state("e").await.is_none());
}

// proves: B119, B126
pub(super) async fn taking_shards_returns_those_asked_for_with_higher_epochs<B: Backend>(
    backend: B,
) {
    let storage = backend.open(PREFIX).await;
    let shards: Vec<ShardId> = [7, 3, 65_536].into_iter().map(ShardId::new).collect();
    let mut last: Vec<TakenShard> = Vec::new();
    for _ in 0..3 {
        let fence = join(&*storage).await.unwrap().fence;
        let taken = storage.take_shards(fence, shards.clone()).await.unwrap();
        let names: Vec<ShardId> = taken.iter().map(|taken| taken.shard).collect();
        assert_eq!(names, shards);
        for (now, before) in taken.iter().zip(&last) {
            assert!(now.epoch > before.epoch, "{now:?} after {before:?}");
        }
        let again = storage.take_shards(fence, vec![shards[1]]).await.unwrap();
        assert_eq!(again, [taken[1]], "an own shard keeps its epoch");
        last = taken;
    }
    let fence = join(&*storage).await.unwrap().fence;
    assert_eq!(storage.take_shards(fence, Vec::new()).await.unwrap(), []);
}

// proves: B118, B245
pub(super) async fn nothing_commits_under_a_raised_fence<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept(vec![request(1)]).await;
    let raised = runner.storage.raise_fence(runner.fence).await.unwrap();
    assert_eq!(raised.incarnation, runner.fence.incarnation);
    assert_eq!(raised.number, runner.fence.number.next());

    assert_fenced(runner.commit(accepts(vec![request(2)])).await);
    assert_fenced(runner.storage.take_shards(runner.fence, vec![ShardId::new(300)]).await);
    let new = Runner { fence: raised, ..runner };
    new.accept(vec![request(3)]).await;
    assert_eq!(new.pending_seqs().await, [1, 3], "it owns its shards still");
    assert!(new.find(request_id(2)).await.is_none());
}

// proves: B109, B245
pub(super) async fn raising_the_fence_may_be_repeated_once<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    let raised = runner.storage.raise_fence(runner.fence).await.unwrap();
    let again = runner.storage.raise_fence(runner.fence).await.unwrap();
    assert_eq!(raised, again, "raised once");
    let twice = runner.storage.raise_fence(raised).await.unwrap();
    assert_eq!(twice.number, raised.number.next());
    assert_fenced(runner.storage.raise_fence(runner.fence).await);
    let unknown = Fence { incarnation: Incarnation::new(999), number: FenceNumber::new(1) };
    assert_fenced(runner.storage.raise_fence(unknown).await);
}

// proves: B109
pub(super) async fn leaving_frees_the_shards_and_may_be_repeated<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.storage.leave(runner.fence).await.unwrap();
    runner.storage.leave(runner.fence).await.unwrap();
    assert_fenced(runner.commit(accepts(vec![request(1)])).await);
    assert_fenced(runner.storage.raise_fence(runner.fence).await);

    let next = Runner::on(runner.storage.clone()).await;
    runner.storage.leave(runner.fence).await.unwrap();
    next.accept(vec![request(2)]).await;
    assert_eq!(next.pending_seqs().await, [2], "a late leave takes nothing from the next runner");
}

// proves: B102
pub(super) async fn cluster_time_moves_with_its_offset<B: Backend>(backend: B) {
    let storage = backend.open(PREFIX).await;
    let before = storage.cluster_time().await.unwrap();
    storage.set_cluster_time_offset(86_400_000).await.unwrap();
    let moved = storage.cluster_time().await.unwrap();
    assert!(moved.unix_ms() >= before.unix_ms() + 86_400_000, "{before:?}, then {moved:?}");
    storage.set_cluster_time_offset(0).await.unwrap();
    let back = storage.cluster_time().await.unwrap();
    assert!(back >= before && back < moved, "{before:?}, {moved:?}, then {back:?}");
}

// proves: B102
pub(super) async fn the_highest_seq_is_never_forgotten<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    assert_eq!(runner.storage.highest_seq().await.unwrap(), Seq::new(0));
    let top = u64::MAX >> 1;
    runner.accept(vec![request(5), request(top)]).await;
    assert_eq!(runner.storage.highest_seq().await.unwrap(), Seq::new(top));

    runner.finish([5, top]).await;
    let past = RetireScan {
        finished_before: [Timestamp::from_unix_ms(i64::MAX); RetentionClass::COUNT],
        after: Seq::new(0),
        limit: 100,
        reached: None,
    };
    assert_eq!(runner.storage.retire(runner.fence, past).await.unwrap().removed, 2);
    assert_eq!(runner.storage.highest_seq().await.unwrap(), Seq::new(top));
}
