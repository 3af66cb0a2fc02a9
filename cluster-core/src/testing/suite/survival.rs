//! What must hold whatever happens to processes, futures and neighbours.

use std::collections::HashMap;
use std::sync::Arc;

use super::Backend;
use super::fixture::{
    PREFIX, Runner, accepts, join, keyed, outcome, poll_and_drop, request, request_id, request_to,
    state_key, state_write, states, stored_outcome, time,
};
use crate::id::{Epoch, Seq, ShardCount};
use crate::storage::{
    Accepted, AttemptWrite, Batch, ContractRow, DeadWrite, JoinRequest, ShapeRow, StorageError,
};

// proves: B102, B119
pub(super) async fn what_is_committed_survives_the_process<B: Backend>(backend: B) {
    let first = Runner::start(&backend).await;
    first.accept((1..=4).map(|seq| keyed(request(seq), &format!("k{seq}"))).collect()).await;
    let shard = request(1).shard;
    let before = first.storage.take_shards(first.fence, vec![shard]).await.unwrap();
    let batch = Batch {
        outcomes: vec![outcome(1)],
        states: vec![state_write("e", 0, 2)],
        attempts: vec![AttemptWrite {
            seq: Seq::new(2),
            shard,
            epoch: Epoch::default(),
            attempts: 4,
            retry_at: time(5),
            in_order: false,
            error: "failed".to_owned(),
        }],
        dead: vec![DeadWrite {
            seq: Seq::new(3),
            shard,
            epoch: Epoch::default(),
            attempts: 10,
            error: "gave up".to_owned(),
            died_at: time(6),
        }],
        ..Batch::default()
    };
    first.commit(batch).await.unwrap();
    let old_fence = first.fence;
    drop(first);

    let second = Runner::on(backend.open(PREFIX).await).await;
    assert!(second.fence.incarnation > old_fence.incarnation);
    let after = second.storage.take_shards(second.fence, vec![shard]).await.unwrap();
    assert!(after[0].epoch > before[0].epoch);
    assert_eq!(second.storage.highest_seq().await.unwrap(), Seq::new(4));
    let pending = second.waiting().await;
    assert_eq!(pending.len(), 2);
    assert_eq!((pending[0].attempts, pending[0].due_at), (4, Some(time(5))));
    assert_eq!(pending[1].request.seq, Seq::new(4));
    let found = second.find(request_id(1)).await.unwrap();
    assert_eq!(found.outcome, Some(stored_outcome(1)));
    let state = second.state("e").await.unwrap();
    assert_eq!(state.payload, "e at 2");
    let letters = second.storage.dead_letters(Seq::new(0), 10).await.unwrap();
    assert_eq!(letters[0].request.seq, Seq::new(3));
    let known = second.accept_one(keyed(request(9), "k1")).await;
    assert!(matches!(known, Accepted::SameKey(_)), "{known:?}");
}

// proves: B109
pub(super) async fn a_dropped_commit_is_whole_or_nothing<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    let seqs = 1..=20_u64;
    for seq in seqs.clone() {
        let batch = Batch {
            accepts: vec![request(seq)],
            states: vec![state_write(&format!("s{seq}"), 0, 1)],
            ..Batch::default()
        };
        // Each time dropped somewhere else.
        poll_and_drop(runner.storage.commit(runner.fence, Arc::new(batch)), seq % 4).await;
    }
    // What a new fence finds is decided.
    let fence = runner.storage.raise_fence(runner.fence).await.unwrap();
    let runner = Runner { fence, ..runner };
    let mut written = 0;
    for seq in seqs.clone() {
        let request = runner.find(request_id(seq)).await.is_some();
        let state = runner.state(&format!("s{seq}")).await.is_some();
        assert_eq!(request, state, "batch {seq} is whole or nothing");
        written += usize::from(request);
    }
    assert_eq!(runner.pending_seqs().await.len(), written);
    runner.accept(vec![request(100)]).await;
}

// proves: B102
pub(super) async fn concurrent_commits_each_land_once<B: Backend>(backend: B) {
    let runner = Arc::new(Runner::start(&backend).await);
    let tasks: Vec<_> = (0..40_u64)
        .map(|number| {
            let runner = runner.clone();
            tokio::spawn(async move {
                for round in 0..5 {
                    let entity = format!("e{number}");
                    let batch = Batch {
                        // One key for all tasks of a round: one of them wins.
                        accepts: vec![keyed(
                            request_to(1 + number * 5 + round, "shared"),
                            &format!("round-{round}"),
                        )],
                        states: vec![state_write(&entity, round, round + 1)],
                        ..Batch::default()
                    };
                    runner.commit(batch).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let mut rounds: HashMap<String, usize> = HashMap::new();
    for pending in runner.pending().await {
        let key = pending.request.key.expect("all have keys").key;
        *rounds.entry(key.to_string()).or_default() += 1;
    }
    assert_eq!(rounds.len(), 5);
    assert!(rounds.values().all(|count| *count == 1), "{rounds:?}");
    for number in 0..40 {
        assert_eq!(runner.state(&format!("e{number}")).await.unwrap().version.as_u64(), 5);
    }
}

// proves: B112
pub(super) async fn two_prefixes_see_nothing_of_each_other<B: Backend>(backend: B) {
    let one = Runner::on(backend.open("one_").await).await;
    let two = backend.open("two_").await;
    let other_settings = JoinRequest {
        shard_count: ShardCount::new(64).unwrap(),
        groups: vec!["other".into()],
        ..super::fixture::join_request()
    };
    let joined = two.join(other_settings).await.expect("settings are not shared");
    let shards = (0..64).map(|shard| joined.groups[0].shard(shard)).collect();
    two.take_shards(joined.fence, shards).await.unwrap();
    let two = Runner { storage: two, fence: joined.fence };

    two.storage.set_cluster_time_offset(1_000_000_000).await.unwrap();
    let apart = two.storage.cluster_time().await.unwrap().unix_ms()
        - one.storage.cluster_time().await.unwrap().unix_ms();
    assert!(apart > 900_000_000, "offsets are not shared");

    let shape = |bytes: &'static [u8]| ShapeRow { fingerprint: 1, shape: bytes.into() };
    let contract = ContractRow {
        entity_type: "Account".into(),
        tag: request(1).message,
        name: "withdraw".into(),
        arguments: 1,
        reply: 2,
        error: 3,
    };
    one.accept(vec![keyed(request(1), "k")]).await;
    one.commit(states(vec![state_write("e", 0, 1)])).await.unwrap();
    one.storage.store_shapes(vec![shape(b"one")]).await.unwrap();
    one.storage.store_contracts(vec![contract]).await.unwrap();

    assert!(two.find(request_id(1)).await.is_none());
    assert_eq!(two.storage.highest_seq().await.unwrap(), Seq::new(0));
    assert_eq!(two.storage.load_states(vec![state_key("e")]).await.unwrap(), [None]);
    assert_eq!(two.storage.load_shape(1).await.unwrap(), None);
    assert_eq!(two.storage.load_contracts().await.unwrap(), []);
    two.storage.store_shapes(vec![shape(b"two")]).await.unwrap();
    two.accept(vec![keyed(request(1), "k")]).await;
    two.commit(states(vec![state_write("e", 0, 1)])).await.unwrap();
    two.finish([1]).await;

    assert_eq!(one.pending_seqs().await, [1]);
    join(&*two.storage).await.map(drop).unwrap_or_else(|error| {
        assert!(matches!(error, StorageError::SettingDiffers { .. }), "{error:?}");
    });
    one.commit(accepts(vec![request(2)])).await.expect("a join elsewhere fences nobody off");
}
