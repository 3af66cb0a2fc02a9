//! What the cases share: a joined runner, and rows with sensible defaults.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;

use super::Backend;
use crate::id::{
    EntityId, Epoch, Key, KeyDigest, MessageTag, RequestId, SHARD_HASH_VERSION, Seq, ShardCount,
    ShardId, StateVersion,
};
use crate::message::Headers;
use crate::storage::{
    Accepted, Batch, Committed, Due, DueScan, Fence, FoundRequest, JoinRequest, Joined, KeyRow,
    KnownRequest, OutcomeKind, OutcomeRow, PendingRequest, PendingScan, RequestRow, RetentionClass,
    StateKey, StateRow, StateWrite, Storage, StorageError, StoredOutcome,
};
use crate::time::Timestamp;

/// The prefix of cases that need one cluster only.
pub(super) const PREFIX: &str = "cluster_";

/// A runner that has joined an empty cluster and owns all its shards.
pub(super) struct Runner {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) fence: Fence,
}

impl Runner {
    /// Starts the first runner of a backend's cluster.
    pub(super) async fn start<B: Backend>(backend: &B) -> Runner {
        Self::on(backend.open(PREFIX).await).await
    }

    /// Joins and takes all shards.
    pub(super) async fn on(storage: Arc<dyn Storage>) -> Runner {
        let joined = join(&*storage).await.unwrap();
        let shards = (0..ShardCount::default().get()).map(|shard| joined.groups[0].shard(shard));
        let taken = storage.take_shards(joined.fence, shards.collect()).await.unwrap();
        assert_eq!(taken.len(), 256, "the first runner owns every shard");
        Runner { storage, fence: joined.fence }
    }

    pub(super) async fn commit(&self, batch: Batch) -> Result<Committed, StorageError> {
        self.storage.commit(self.fence, Arc::new(batch)).await
    }

    /// Accepts requests that are all new.
    pub(super) async fn accept(&self, rows: Vec<RequestRow>) {
        let committed = self.commit(accepts(rows)).await.unwrap();
        for accepted in committed.accepts {
            assert!(matches!(accepted, Accepted::New), "accepted as new, not {accepted:?}");
        }
    }

    /// Accepts one request and says what became of it.
    pub(super) async fn accept_one(&self, row: RequestRow) -> Accepted {
        let mut committed = self.commit(accepts(vec![row])).await.unwrap();
        assert_eq!(committed.accepts.len(), 1, "one answer for each request");
        committed.accepts.remove(0)
    }

    pub(super) async fn finish(&self, seqs: impl IntoIterator<Item = u64>) {
        let outcomes = seqs.into_iter().map(outcome).collect();
        self.commit(Batch { outcomes, ..Batch::default() }).await.unwrap();
    }

    /// The pending requests, all pages together.
    pub(super) async fn pending(&self) -> Vec<PendingRequest> {
        let scan =
            PendingScan { after: Seq::new(0), entity: None, limit: 10_000, bytes: usize::MAX };
        self.storage.load_pending(self.fence, scan).await.unwrap()
    }

    /// The requests that are due at a time, all pages together.
    pub(super) async fn due(&self) -> Vec<PendingRequest> {
        let scan = DueScan { after: Due::FIRST, limit: 10_000, bytes: usize::MAX };
        self.storage.load_due(self.fence, scan).await.unwrap()
    }

    /// The pending ones and those that are due at a time, in the owner's order.
    pub(super) async fn waiting(&self) -> Vec<PendingRequest> {
        let mut waiting = self.pending().await;
        waiting.extend(self.due().await);
        waiting.sort_by_key(|found| found.request.seq);
        waiting
    }

    pub(super) async fn waiting_seqs(&self) -> Vec<u64> {
        self.waiting().await.iter().map(|pending| pending.request.seq.as_u64()).collect()
    }

    pub(super) async fn pending_seqs(&self) -> Vec<u64> {
        self.pending().await.iter().map(|pending| pending.request.seq.as_u64()).collect()
    }

    pub(super) async fn find(&self, id: RequestId) -> Option<FoundRequest> {
        let mut found = self.storage.find_requests(vec![id]).await.unwrap();
        assert_eq!(found.len(), 1, "one answer for each question");
        found.remove(0)
    }

    pub(super) async fn state(&self, entity: &str) -> Option<StateRow> {
        let mut found = self.storage.load_states(vec![state_key(entity)]).await.unwrap();
        assert_eq!(found.len(), 1, "one answer for each question");
        found.remove(0)
    }
}

pub(super) async fn join(storage: &dyn Storage) -> Result<Joined, StorageError> {
    storage.join(join_request()).await
}

pub(super) fn join_request() -> JoinRequest {
    JoinRequest {
        shard_count: ShardCount::default(),
        shard_hash_version: SHARD_HASH_VERSION,
        groups: vec!["default".into()],
        advertised: String::new(),
        lease: Duration::from_secs(5),
    }
}

/// The id of the request that [`request`] makes for a `seq`.
pub(super) fn request_id(seq: u64) -> RequestId {
    RequestId::from_u128((u128::from(seq) << 80) | 7)
}

/// A plain request to entity `e`.
pub(super) fn request(seq: u64) -> RequestRow {
    request_to(seq, "e")
}

/// A plain request to an entity.
pub(super) fn request_to(seq: u64, entity: &str) -> RequestRow {
    let entity_id = EntityId::from(entity);
    RequestRow {
        seq: Seq::new(seq),
        shard: ShardId::of(&entity_id, ShardCount::default()),
        epoch: Epoch::new(1),
        id: request_id(seq),
        entity_type: "Account".into(),
        entity_id,
        message: MessageTag::of("withdraw"),
        key: None,
        arguments: Bytes::from(format!("arguments of {seq}")),
        headers: Headers::default(),
        trace: None,
        class: RetentionClass::Awaited,
        outer: None,
        accepted_at: time(0),
        due_at: None,
        reminder: None,
    }
}

/// The request with a key of its entity and message.
pub(super) fn keyed(mut row: RequestRow, key: &str) -> RequestRow {
    let key = Key::new(key).unwrap();
    let digest = KeyDigest::of(&row.entity_type, &row.entity_id, row.message, &key);
    row.key = Some(KeyRow { digest, key });
    row.class = RetentionClass::Keyed;
    row
}

pub(super) fn accepts(accepts: Vec<RequestRow>) -> Batch {
    Batch { accepts, ..Batch::default() }
}

/// The outcome of the request that [`request`] makes for a `seq`.
pub(super) fn outcome(seq: u64) -> OutcomeRow {
    OutcomeRow {
        seq: Seq::new(seq),
        shard: request(seq).shard,
        epoch: Epoch::new(1),
        outcome: stored_outcome(seq),
        finished_at: time(0),
        elsewhere: true,
    }
}

pub(super) fn stored_outcome(seq: u64) -> StoredOutcome {
    StoredOutcome { kind: OutcomeKind::Ok, payload: Bytes::from(format!("outcome of {seq}")) }
}

/// A time near those of real requests: `ms` after some day in 2026.
pub(super) fn time(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(1_780_000_000_000 + ms)
}

pub(super) fn state_key(entity: &str) -> StateKey {
    let entity_id = EntityId::from(entity);
    let shard = ShardId::of(&entity_id, ShardCount::default());
    StateKey { shard, entity_type: "Account".into(), entity_id }
}

/// A change of an entity's state from one version to another.
pub(super) fn state_write(entity: &str, from: u64, to: u64) -> StateWrite {
    StateWrite {
        key: state_key(entity),
        epoch: Epoch::new(1),
        from: StateVersion::new(from),
        to: StateVersion::new(to),
        payload: Bytes::from(format!("{entity} at {to}")),
    }
}

pub(super) fn states(states: Vec<StateWrite>) -> Batch {
    Batch { states, ..Batch::default() }
}

/// What is known of the request that was there before.
#[track_caller]
pub(super) fn known(accepted: Accepted) -> KnownRequest {
    match accepted {
        Accepted::SameId(known) | Accepted::SameKey(known) => known,
        other => panic!("a request that was there before, not {other:?}"),
    }
}

/// Polls a future up to that many times, with other tasks in between, then drops it wherever it is.
pub(super) async fn poll_and_drop<F: Future + Unpin>(mut future: F, times: u64) {
    for _ in 0..times {
        let ready = poll_fn(|cx| Poll::Ready(Pin::new(&mut future).poll(cx).is_ready())).await;
        if ready {
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[track_caller]
pub(super) fn assert_fenced<T: std::fmt::Debug>(result: Result<T, StorageError>) {
    assert!(matches!(result, Err(StorageError::Fenced { .. })), "fenced off, not {result:?}");
}

/// Compares all fields.
#[track_caller]
pub(super) fn assert_same_row(found: &RequestRow, expected: &RequestRow) {
    assert_eq!(format!("{found:?}"), format!("{expected:?}"));
    let values = |row: &RequestRow| {
        row.headers.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
    };
    assert_eq!(values(found), values(expected), "headers hide their values in Debug");
}
