//! Rows to store, and a runner that stores them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cluster_core::id::{
    EntityId, Epoch, MessageTag, RequestId, SHARD_HASH_VERSION, Seq, ShardCount, ShardId,
};
use cluster_core::storage::{
    Accepted, Batch, Fence, JoinRequest, OutcomeKind, OutcomeRow, RequestRow, RetentionClass,
    Storage, StoredOutcome,
};
use cluster_core::time::Timestamp;

/// Joins as the next runner and takes all shards.
pub(crate) async fn join(storage: &impl Storage) -> Fence {
    let request = JoinRequest {
        shard_count: ShardCount::default(),
        shard_hash_version: SHARD_HASH_VERSION,
        groups: vec!["default".into()],
        advertised: String::new(),
        lease: Duration::from_secs(5),
    };
    let fence = storage.join(request).await.expect("a runner can join").fence;
    let shards = (0..ShardCount::default().get()).map(ShardId::new).collect();
    storage.take_shards(fence, shards).await.expect("the shards are free");
    fence
}

/// A plain request, each to an entity of its own.
pub(crate) fn request(seq: u64) -> RequestRow {
    let entity_id = EntityId::from(format!("e{seq}"));
    RequestRow {
        seq: Seq::new(seq),
        shard: ShardId::of(&entity_id, ShardCount::default()),
        epoch: Epoch::new(1),
        id: RequestId::from_u128(u128::from(seq) << 80),
        entity_type: "Account".into(),
        entity_id,
        message: MessageTag::of("withdraw"),
        key: None,
        arguments: Bytes::from_static(b"arguments"),
        headers: Default::default(),
        trace: None,
        class: RetentionClass::Sent,
        outer: None,
        accepted_at: Timestamp::from_unix_ms(0),
        due_at: None,
        reminder: None,
    }
}

/// Accepts requests that are all new.
pub(crate) async fn accept(storage: &impl Storage, fence: Fence, accepts: Vec<RequestRow>) {
    let batch = Arc::new(Batch { accepts, ..Batch::default() });
    let committed = storage.commit(fence, batch).await.expect("the batch is written");
    let new = committed.accepts.iter().all(|accepted| matches!(accepted, Accepted::New));
    assert!(new, "accepted as new, not {committed:?}");
}

/// The outcome of the request that [`request`] makes.
pub(crate) fn outcome(seq: u64) -> OutcomeRow {
    OutcomeRow {
        seq: Seq::new(seq),
        shard: request(seq).shard,
        epoch: Epoch::new(1),
        outcome: StoredOutcome { kind: OutcomeKind::Ok, payload: Bytes::from_static(b"done") },
        finished_at: Timestamp::from_unix_ms(0),
        elsewhere: true,
    }
}
