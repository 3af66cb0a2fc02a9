//! Nothing says of a request that it is pending. Whoever recovers finds all that are, wherever the
//! marks stand, at whatever moment the owner died, and nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::support::{Connected, TestDatabase, accept, join, outcome, request};
use cluster_core::id::{Epoch, FenceNumber, Seq};
use cluster_core::storage::{
    AttemptWrite, Batch, Fence, HoldWrite, MessageStorage, Missing, OutcomeRow, OwnershipStorage,
    PendingScan, RedriveFrom, RedriveWrite, RequestRow, StateKey, StorageError, TransactionStorage,
};
use cluster_core::time::Timestamp;
use sqlx::{AssertSqlSafe, Executor};

struct Owner {
    backend: TestDatabase,
    storage: Connected,
    fence: Fence,
}

impl Owner {
    async fn start() -> Option<Owner> {
        let backend = TestDatabase::make().await?;
        let storage = backend.options().connect().await.unwrap();
        let fence = join(&storage).await;
        Some(Owner { backend, storage, fence })
    }

    async fn accept(&self, seqs: impl IntoIterator<Item = u64>) {
        accept(&self.storage, self.fence, seqs.into_iter().map(request).collect()).await;
    }

    async fn write(&self, batch: Batch) {
        self.storage.commit(self.fence, Arc::new(batch)).await.unwrap();
    }

    async fn finish(&self, seqs: impl IntoIterator<Item = u64>) {
        let outcomes = seqs.into_iter().map(outcome).collect();
        self.write(Batch { outcomes, ..Batch::default() }).await;
    }

    /// What a new owner finds, in pages.
    async fn recover(&self) -> Vec<u64> {
        let next = join(&self.storage).await;
        let (mut found, mut after) = (Vec::new(), Seq::new(0));
        loop {
            let scan = PendingScan { after, entity: None, limit: 7, bytes: usize::MAX };
            let page = self.storage.load_pending(next, scan).await.unwrap();
            let Some(last) = page.last() else { return found };
            after = last.request.seq;
            found.extend(page.iter().map(|row| row.request.seq.as_u64()));
        }
    }

    /// How many requests are registered.
    async fn registered(&self) -> i64 {
        let mut tool = self.backend.tool().await;
        let count = sqlx::query_scalar("SELECT count(*) FROM cluster_behind");
        count.fetch_one(&mut tool).await.unwrap()
    }

    /// Up to where nobody needs to look.
    async fn lowest_mark(&self) -> i64 {
        let mut tool = self.backend.tool().await;
        let mark = sqlx::query_scalar("SELECT min(mark) FROM cluster_shard");
        mark.fetch_one(&mut tool).await.unwrap()
    }

    async fn sql(&self, text: &str) {
        let mut tool = self.backend.tool().await;
        tool.execute(sqlx::raw_sql(AssertSqlSafe(text.to_owned()))).await.unwrap();
    }
}

fn attempt(seq: u64, in_order: bool) -> AttemptWrite {
    AttemptWrite {
        seq: Seq::new(seq),
        shard: request(seq).shard,
        epoch: Epoch::new(1),
        attempts: 1,
        retry_at: Timestamp::from_unix_ms(1),
        in_order,
        error: "failed".to_owned(),
    }
}

fn hold(seq: u64) -> HoldWrite {
    HoldWrite {
        seq: Seq::new(seq),
        shard: request(seq).shard,
        epoch: Epoch::new(1),
        held_at: Timestamp::from_unix_ms(1),
        missing: Missing::Message,
    }
}

fn redrive(seq: u64, from: RedriveFrom) -> RedriveWrite {
    let shard = request(seq).shard;
    RedriveWrite { seq: Seq::new(seq), shard, epoch: Epoch::new(1), from, due_at: None }
}

// proves: B105
#[tokio::test]
async fn marks_hide_nothing_that_is_pending() {
    let Some(owner) = Owner::start().await else { return };
    owner.accept(1..=30).await;
    owner.finish((1..=30).filter(|seq| seq % 3 != 0)).await;
    owner.storage.move_marks(owner.fence).await.unwrap();
    owner.accept(31..=40).await;
    owner.finish([3, 31, 32]).await;
    owner.storage.move_marks(owner.fence).await.unwrap();
    owner.finish([6, 40]).await;
    let expected = [9, 12, 15, 18, 21, 24, 27, 30].into_iter().chain(33..40);
    assert_eq!(owner.recover().await, expected.collect::<Vec<_>>());
}

/// What leaves those that are pending and comes back, below the mark, is found like others.
// proves: B43, B105
#[tokio::test]
async fn what_comes_back_below_the_mark_is_found() {
    let Some(owner) = Owner::start().await else { return };
    owner.accept(1..=8).await;
    owner.finish([1, 2]).await;
    let batch = Batch {
        attempts: vec![attempt(3, false), attempt(4, true)],
        holds: vec![hold(5)],
        ..Batch::default()
    };
    owner.write(batch).await;
    owner.storage.move_marks(owner.fence).await.unwrap();
    let finished = RedriveFrom::Finished(outcome(1).finished_at);
    let redrives = vec![redrive(1, finished), redrive(5, RedriveFrom::Held)];
    owner.write(Batch { redrives, ..Batch::default() }).await;
    owner.write(Batch { holds: vec![hold(6)], ..Batch::default() }).await;
    owner.storage.move_marks(owner.fence).await.unwrap();
    assert_eq!(owner.recover().await, [1, 4, 5, 7, 8]);
}

/// A process that knows no mark accepts requests below one, as when its clock is behind: they are
/// registered all the same.
// proves: B105
#[tokio::test]
async fn what_another_process_accepts_below_the_mark_is_found() {
    let Some(mut owner) = Owner::start().await else { return };
    owner.accept(11..=20).await;
    owner.storage.move_marks(owner.fence).await.unwrap();
    owner.storage = owner.backend.options().connect().await.unwrap();
    owner.fence = join(&owner.storage).await;
    owner.accept(1..=3).await;
    owner.accept([4, 21]).await;
    owner.finish([2, 12]).await;
    let expected = [1, 3, 4, 11].into_iter().chain(13..=21);
    assert_eq!(owner.recover().await, expected.collect::<Vec<_>>());
}

/// What was registered and has ended is not looked at for ever.
// proves: B105
#[tokio::test]
async fn what_has_ended_is_forgotten() {
    let Some(owner) = Owner::start().await else { return };
    owner.accept(1..=20).await;
    owner.storage.move_marks(owner.fence).await.unwrap();
    assert_eq!(owner.registered().await, 20);
    // Whoever finishes them need not know that they are registered.
    let outcomes = (1..=4).map(|seq| OutcomeRow { elsewhere: false, ..outcome(seq) }).collect();
    owner.write(Batch { outcomes, ..Batch::default() }).await;
    assert_eq!(owner.registered().await, 16, "by the statement that finishes them");
    // As when the marks moved at that moment.
    owner.sql("INSERT INTO cluster_behind VALUES (1, 0, 'A', 'a'), (2, 0, 'A', 'a')").await;
    assert_eq!(owner.recover().await, (5..=20).collect::<Vec<_>>());
    owner.storage.move_marks(join(&owner.storage).await).await.unwrap();
    assert_eq!(owner.registered().await, 16);
    assert_eq!(owner.recover().await, (5..=20).collect::<Vec<_>>());
}

/// Many finished requests lie between those that are pending, some of which stand in two places:
/// each is found once, of all entities and of its own.
// proves: B105
#[tokio::test]
async fn pending_ones_far_apart_are_found_once() {
    const MANY: u64 = 6_500;
    let Some(owner) = Owner::start().await else { return };
    for first in (1..=MANY).step_by(500) {
        owner.accept(first..first + 500).await;
    }
    // At the ends of what one statement looks at, and elsewhere.
    let pending = [1, 999, 1_000, 1_001, 1_999, 2_000, 2_001, 3_997, 3_998, 3_999, 4_000, 6_499];
    let ends: Vec<u64> = (1..=MANY).filter(|seq| !pending.contains(seq)).collect();
    for some in ends.chunks(500) {
        owner.finish(some.iter().copied()).await;
    }
    let register = |which: &str| {
        format!(
            "DELETE FROM cluster_behind; INSERT INTO cluster_behind \
            SELECT seq, shard, entity_type, entity_id FROM cluster_request WHERE {which}"
        )
    };
    for which in ["seq > 9000", "seq % 2 = 0", "seq % 2 = 1 AND seq > 1000", "seq > 0"] {
        owner.sql(&register(which)).await;
        assert_eq!(owner.recover().await, pending, "registered: {which}");
    }
    // Its own alone, behind all the others of its part.
    let fence = join(&owner.storage).await;
    for seq in [6_499, 6_500] {
        let RequestRow { shard, entity_type, entity_id, .. } = request(seq);
        let entity = Some(StateKey { shard, entity_type, entity_id });
        let scan = PendingScan { after: Seq::new(0), entity, limit: 7, bytes: usize::MAX };
        let found = owner.storage.load_pending(fence, scan).await.unwrap();
        let found: Vec<u64> = found.iter().map(|row| row.request.seq.as_u64()).collect();
        assert_eq!(found, if seq == 6_499 { vec![seq] } else { vec![] });
    }
    // Who asks for those of one entity has the marks moved, beside everything else.
    while owner.lowest_mark().await < MANY as i64 {
        tokio::task::yield_now().await;
    }
    owner.sql(&format!("{}; UPDATE cluster_shard SET mark = 0", register("seq = 4000"))).await;
    owner.storage.move_marks(fence).await.unwrap();
    assert_eq!(owner.registered().await, pending.len() as i64);
    assert_eq!(owner.recover().await, pending, "below the marks");
}

/// A write that is under way while the marks move is either seen, or sees them.
// proves: B105, B245
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_beside_moving_marks_lose_nothing() {
    let Some(owner) = Owner::start().await.map(Arc::new) else { return };
    let (lanes, each) = (4, 150_u64);
    let writers: Vec<_> = (0..lanes)
        .map(|lane| {
            let owner = owner.clone();
            tokio::spawn(async move {
                // Each lane is behind or ahead of the others, so that marks pass its numbers.
                for round in 0..each {
                    let seq = 1 + round * lanes + lane;
                    if round % 5 == 4 {
                        let open = owner.storage.begin().await.unwrap();
                        let batch = Batch { accepts: vec![request(seq)], ..Batch::default() };
                        open.commit(owner.fence, Arc::new(batch)).await.unwrap();
                    } else {
                        owner.accept([seq]).await;
                    }
                    if round % 2 == 0 {
                        owner.finish([seq]).await;
                    }
                }
            })
        })
        .collect();
    let mover = owner.clone();
    let moving = tokio::spawn(async move {
        loop {
            mover.storage.move_marks(mover.fence).await.unwrap();
        }
    });
    for writer in writers {
        writer.await.unwrap();
    }
    moving.abort();
    let _ = moving.await;
    let unfinished = (0..each).filter(|round| round % 2 == 1);
    let expected: BTreeSet<u64> =
        unfinished.flat_map(|round| (0..lanes).map(move |lane| 1 + round * lanes + lane)).collect();
    assert_eq!(owner.recover().await, expected.into_iter().collect::<Vec<_>>());
}

/// An owner that dies between the two steps, or is fenced off there, has moved nothing.
// proves: B105, B118
#[tokio::test]
async fn a_mark_that_is_half_moved_counts_for_nothing() {
    let Some(owner) = Owner::start().await else { return };
    owner.accept(1..=9).await;
    owner.finish([2]).await;
    owner.sql("UPDATE cluster_fence SET mark = 9").await;
    owner.accept([5_000, 11, 12]).await;
    assert_eq!(owner.recover().await, [1, 3, 4, 5, 6, 7, 8, 9, 11, 12, 5_000]);

    // Fenced off by the next one.
    let late = owner.storage.move_marks(owner.fence).await;
    assert!(matches!(late, Err(StorageError::Fenced { .. })), "{late:?}");
    let number = FenceNumber::new(owner.fence.number.as_u64() + 7);
    let unknown = owner.storage.move_marks(Fence { number, ..owner.fence }).await;
    assert!(matches!(unknown, Err(StorageError::Fenced { .. })), "{unknown:?}");
    assert_eq!(owner.recover().await, [1, 3, 4, 5, 6, 7, 8, 9, 11, 12, 5_000]);
}

/// What a new owner accepts below the marks that it has taken over, it registers.
// proves: B105, B119
#[tokio::test]
async fn a_new_owner_registers_what_it_accepts_below_the_marks() {
    let Some(owner) = Owner::start().await else { return };
    owner.accept([100]).await;
    owner.storage.move_marks(owner.fence).await.unwrap();
    let fence = join(&owner.storage).await;
    accept(&owner.storage, fence, vec![request(50), request(101)]).await;
    assert_eq!(owner.recover().await, [50, 100, 101]);
    let raised = owner.storage.raise_fence(fence).await;
    assert!(matches!(raised, Err(StorageError::Fenced { .. })), "{raised:?}");
}
