//! Retention beside what runs again.

use std::sync::Arc;

use crate::support::{TestDatabase, Tool, join, outcome, request};
use cluster_core::id::{Epoch, Seq};
use cluster_core::storage::{
    Batch, Due, DueScan, MessageStorage, OutcomeRow, RedriveFrom, RedriveWrite, RequestRow,
    RetentionClass, RetireScan,
};
use cluster_core::time::Timestamp;
use sqlx::Executor;

fn ended(seq: u64) -> OutcomeRow {
    OutcomeRow { finished_at: Timestamp::from_unix_ms(5), ..outcome(seq) }
}

/// Waits until so many connections of this database wait for a lock, or more: retention has the
/// marks of recovery moved beside it, and that waits for whoever has compared the fence.
async fn are_waiting(tool: &mut Tool, backend: &TestDatabase, many: usize) {
    while backend.waiting(tool).await < many {
        tokio::task::yield_now().await;
    }
}

/// What retention has found past its age is reset before it can be removed.
// proves: B43, B111
#[tokio::test]
async fn what_runs_again_meanwhile_is_not_removed() {
    let Some(backend) = TestDatabase::make().await else { return };
    let storage = backend.options().connect().await.unwrap();
    let fence = join(&storage).await;
    let derived = |seq, outer| RequestRow {
        class: RetentionClass::Derived,
        outer: Some(request(outer).id),
        ..request(seq)
    };
    let batch = Batch {
        accepts: vec![request(1), derived(2, 1), request(3), derived(4, 2), derived(5, 3)],
        outcomes: (1..=5).map(ended).collect(),
        ..Batch::default()
    };
    storage.commit(fence, Arc::new(batch)).await.unwrap();

    // The reset is the first one that waits for this; retention has looked, and waits behind it.
    let mut tool = backend.tool().await;
    let lock = "BEGIN; SELECT 1 FROM cluster_outcome WHERE seq = 1 FOR UPDATE";
    tool.execute(sqlx::raw_sql(lock)).await.unwrap();
    let redrive = RedriveWrite {
        seq: Seq::new(1),
        shard: request(1).shard,
        epoch: Epoch::new(1),
        from: RedriveFrom::Finished(Timestamp::from_unix_ms(5)),
        due_at: Some(Timestamp::from_unix_ms(6)),
    };
    let reset = Arc::new(Batch { redrives: vec![redrive], ..Batch::default() });
    let resets = storage.clone();
    let reset = tokio::spawn(async move { resets.commit(fence, reset).await });
    let mut watch = backend.tool().await;
    are_waiting(&mut watch, &backend, 1).await;
    let scan = RetireScan {
        finished_before: [Timestamp::from_unix_ms(6); RetentionClass::COUNT],
        after: Seq::new(0),
        limit: 10,
        reached: None,
    };
    let (retires, asked) = (storage.clone(), scan.clone());
    let retire = tokio::spawn(async move { retires.retire(fence, asked).await });
    are_waiting(&mut watch, &backend, 2).await;
    tool.execute("COMMIT").await.unwrap();
    reset.await.unwrap().unwrap();
    let retired = retire.await.unwrap().unwrap();
    assert_eq!(retired.removed, 2, "the third one and what it has called");
    assert!(retired.kept.unfinished, "it is looked at again");

    let due = DueScan { after: Due::FIRST, limit: 10, bytes: 1 << 20 };
    assert_eq!(storage.load_due(fence, due).await.unwrap().len(), 1);
    let ids: Vec<_> = (1..=5).map(|seq| request(seq).id).collect();
    let found = storage.find_requests(ids.clone()).await.unwrap();
    let there: Vec<bool> = found.iter().map(Option::is_some).collect();
    assert_eq!(there, [true, true, false, true, false], "what it has called is for its next run");

    // It has ended again: all of it goes.
    let batch = Batch { outcomes: vec![ended(1)], ..Batch::default() };
    storage.commit(fence, Arc::new(batch)).await.unwrap();
    assert_eq!(storage.retire(fence, scan).await.unwrap().removed, 3);
    assert!(storage.find_requests(ids).await.unwrap().iter().all(Option::is_none));
}
