//! Journals of executions, and what executions are given from outside.

use std::sync::Arc;

use bytes::Bytes;

use super::Backend;
use super::fixture::{Runner, assert_fenced, outcome, request, request_id, time};
use crate::id::{Epoch, RequestId, Seq};
use crate::storage::{
    AttemptWrite, Batch, DeadWrite, DeferredId, DeferredKind, DeferredRow, History, JournalEntry,
    JournalKind, RetentionClass, RetireScan, StorageError,
};

/// An entry of the execution that [`request`] makes for a `seq`.
fn entry(seq: u64, position: u32) -> JournalEntry {
    JournalEntry {
        execution: Seq::new(seq),
        position,
        shard: request(seq).shard,
        epoch: Epoch::new(1),
        kind: JournalKind::StepEnded,
        name: "charge".into(),
        occurrence: position + 1,
        recorded_at: time(i64::from(position)),
        due_at: None,
        payload: Bytes::from(format!("result {position}")),
    }
}

fn entries(entries: Vec<JournalEntry>) -> Batch {
    Batch { journal: entries, ..Batch::default() }
}

fn deferred(seq: u64, name: &str, occurrence: u32) -> DeferredId {
    DeferredId { execution: Seq::new(seq), name: name.into(), occurrence }
}

/// The completion of a deferred, which tells who made it.
fn completion(deferred: DeferredId, maker: u128) -> DeferredRow {
    DeferredRow {
        shard: request(deferred.execution.as_u64()).shard,
        deferred,
        id: RequestId::from_u128(maker),
        epoch: Epoch::new(1),
        kind: DeferredKind::Value,
        completed_at: time(7),
        payload: Bytes::from(format!("value of {maker}")),
    }
}

fn completions(deferreds: Vec<DeferredRow>) -> Batch {
    Batch { deferreds, ..Batch::default() }
}

impl Runner {
    async fn history(&self, seq: u64) -> History {
        self.storage.load_journal(Seq::new(seq)).await.unwrap()
    }

    async fn find_one(&self, deferred: DeferredId) -> Option<DeferredRow> {
        let mut found = self.storage.find_deferreds(vec![deferred]).await.unwrap();
        assert_eq!(found.len(), 1, "one answer for each question");
        found.remove(0)
    }
}

// proves: B216
pub(super) async fn a_history_reads_back_as_it_was_written<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept(vec![request(1), request(2), request(3)]).await;
    let sleep = JournalEntry {
        kind: JournalKind::SleepBegan,
        due_at: Some(time(5000)),
        payload: Bytes::new(),
        ..entry(1, 1)
    };
    let strange = JournalEntry { name: "ein Schritt/\0 %".into(), ..entry(1, 2) };
    let failed = DeferredRow {
        kind: DeferredKind::Failed,
        payload: Bytes::from_static(b"no"),
        ..completion(deferred(1, "approval", 2), 1)
    };
    let first = completion(deferred(1, "approval", 1), 2);
    let other = completion(deferred(1, "a", 1), 3);
    // Interleaved with another execution's, in several batches.
    runner
        .commit(Batch {
            journal: vec![entry(2, 0), entry(1, 0), sleep.clone()],
            deferreds: vec![failed.clone(), other.clone()],
            ..Batch::default()
        })
        .await
        .unwrap();
    runner
        .commit(Batch {
            journal: vec![strange.clone(), entry(2, 1)],
            deferreds: vec![first.clone()],
            outcomes: vec![outcome(2)],
            ..Batch::default()
        })
        .await
        .unwrap();

    let history = runner.history(1).await;
    assert_eq!(history.entries, [entry(1, 0), sleep, strange]);
    assert_eq!(history.deferreds, [other.clone(), first.clone(), failed.clone()]);
    assert_eq!(runner.history(2).await.entries, [entry(2, 0), entry(2, 1)]);
    assert_eq!(runner.history(3).await, History::default());
    assert_eq!(runner.history(9).await, History::default());
    let questions = vec![
        deferred(1, "approval", 2),
        deferred(1, "approval", 3),
        deferred(2, "approval", 1),
        deferred(1, "approval", 1),
    ];
    let found = runner.storage.find_deferreds(questions).await.unwrap();
    assert_eq!(found, [Some(failed), None, None, Some(first)]);
}

/// More entries than fit onto a page of any database.
// proves: B217
pub(super) async fn a_long_history_is_loaded_in_order<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept(vec![request(1)]).await;
    let all: Vec<JournalEntry> = (0..2000).map(|position| entry(1, position)).collect();
    for part in all.chunks(300) {
        runner.commit(entries(part.to_vec())).await.unwrap();
    }
    assert_eq!(runner.history(1).await.entries, all);
}

pub(super) async fn a_position_holds_one_entry<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept(vec![request(1), request(2)]).await;
    runner.commit(entries(vec![entry(1, 0), entry(1, 1)])).await.unwrap();

    let changes: [fn(&mut JournalEntry); 4] = [
        |entry| entry.payload = Bytes::from_static(b"another"),
        |entry| entry.name = "refund".into(),
        |entry| entry.occurrence = 9,
        |entry| entry.kind = JournalKind::SleepEnded,
    ];
    for change in changes {
        let mut other = entry(1, 1);
        change(&mut other);
        let batch = Batch { outcomes: vec![outcome(2)], ..entries(vec![entry(2, 0), other]) };
        let refused = runner.commit(batch).await;
        let Err(StorageError::JournalConflict { execution, position }) = refused else {
            panic!("a conflict, not {refused:?}");
        };
        assert_eq!((execution, position), (Seq::new(1), 1));
    }
    assert_eq!(runner.history(1).await.entries, [entry(1, 0), entry(1, 1)]);
    assert!(runner.history(2).await.entries.is_empty());
    assert_eq!(runner.find(request_id(2)).await.unwrap().outcome, None);
}

// proves: B109
pub(super) async fn a_journal_written_again_changes_nothing<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept(vec![request(1)]).await;
    let batch = Arc::new(Batch {
        journal: vec![entry(1, 0)],
        deferreds: vec![completion(deferred(1, "approval", 1), 1)],
        outcomes: vec![outcome(1)],
        ..Batch::default()
    });
    runner.storage.commit(runner.fence, batch.clone()).await.unwrap();
    let fence = runner.storage.raise_fence(runner.fence).await.unwrap();
    runner.storage.commit(fence, batch.clone()).await.unwrap();
    let history = runner.history(1).await;
    assert_eq!(
        (history.entries, history.deferreds),
        (batch.journal.clone(), batch.deferreds.clone())
    );

    // Under the fence of before it writes nothing.
    let late = Arc::new(entries(vec![entry(1, 1)]));
    assert_fenced(runner.storage.commit(runner.fence, late).await);
    assert_eq!(runner.history(1).await.entries, [entry(1, 0)]);
}

// proves: B186
pub(super) async fn the_first_completion_of_a_deferred_holds<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept(vec![request(1)]).await;
    let approval = || deferred(1, "approval", 1);
    // In one batch, and in a later one.
    let both = vec![completion(approval(), 1), completion(approval(), 2)];
    runner.commit(completions(both)).await.unwrap();
    runner.commit(completions(vec![completion(approval(), 3)])).await.unwrap();
    assert_eq!(runner.find_one(approval()).await, Some(completion(approval(), 1)));
    assert_eq!(runner.history(1).await.deferreds, [completion(approval(), 1)]);
    // Another occurrence is another deferred.
    let second = completion(deferred(1, "approval", 2), 4);
    runner.commit(completions(vec![second.clone()])).await.unwrap();
    assert_eq!(runner.find_one(deferred(1, "approval", 2)).await, Some(second));
}

/// What waits, in back-off or for its redrive, can be completed; what has ended cannot.
// proves: B186
pub(super) async fn a_completion_of_what_has_ended_is_dropped<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept((1..=4).map(request).collect()).await;
    let shard = request(2).shard;
    let epoch = Epoch::new(1);
    let retry_at = time(1);
    let attempt = AttemptWrite {
        seq: Seq::new(2),
        shard,
        epoch,
        attempts: 1,
        retry_at,
        in_order: false,
        error: "e".into(),
    };
    let died_at = time(1);
    let shard = request(3).shard;
    let death =
        DeadWrite { seq: Seq::new(3), shard, epoch, attempts: 1, error: "e".into(), died_at };
    let batch = Batch {
        outcomes: vec![outcome(4)],
        attempts: vec![attempt],
        dead: vec![death],
        ..Batch::default()
    };
    runner.commit(batch).await.unwrap();
    // The fifth is not stored at all.
    let all = (1..=5).map(|seq| completion(deferred(seq, "approval", 1), 1)).collect();
    runner.commit(completions(all)).await.unwrap();
    for (seq, is_taken) in [(1, true), (2, true), (3, true), (4, false), (5, false)] {
        let found = runner.find_one(deferred(seq, "approval", 1)).await;
        assert_eq!(found.is_some(), is_taken, "{seq}");
    }
}

// proves: B111
pub(super) async fn a_history_goes_with_its_request<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept(vec![request(1), request(2)]).await;
    let batch = Batch {
        journal: vec![entry(1, 0), entry(1, 1), entry(2, 0)],
        deferreds: vec![
            completion(deferred(1, "approval", 1), 1),
            completion(deferred(2, "approval", 1), 1),
        ],
        outcomes: vec![outcome(1)],
        ..Batch::default()
    };
    runner.commit(batch).await.unwrap();
    let scan = RetireScan {
        finished_before: [time(1_000_000); RetentionClass::COUNT],
        after: Seq::new(0),
        limit: 100,
        reached: None,
    };
    let retired = runner.storage.retire(runner.fence, scan).await.unwrap();
    assert_eq!(retired.removed, 1);
    assert_eq!(runner.history(1).await, History::default());
    assert_eq!(runner.find_one(deferred(1, "approval", 1)).await, None);
    let left = runner.history(2).await;
    assert_eq!((left.entries.len(), left.deferreds.len()), (1, 1));
}

// proves: B106
pub(super) async fn what_is_too_large_for_a_journal_is_refused<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept(vec![request(1)]).await;
    let Some(limits) = runner.storage.row_limits() else { return };
    let most = Bytes::from(vec![7; limits.payload_bytes_max]);
    let fits = JournalEntry { payload: most.clone(), ..entry(1, 0) };
    let value = DeferredRow { payload: most, ..completion(deferred(1, "approval", 1), 1) };
    let batch = Batch { deferreds: vec![value.clone()], ..entries(vec![fits.clone()]) };
    runner.commit(batch).await.unwrap();
    let history = runner.history(1).await;
    assert!(history.entries == [fits] && history.deferreds == [value]);

    let more = Bytes::from(vec![7; limits.payload_bytes_max + 1]);
    let large = entries(vec![JournalEntry { payload: more.clone(), ..entry(1, 1) }]);
    let large_value =
        completions(vec![DeferredRow { payload: more, ..completion(deferred(1, "b", 1), 1) }]);
    for batch in [large, large_value] {
        let refused = runner.commit(batch).await;
        assert!(matches!(refused, Err(StorageError::TooLarge { .. })), "it is refused");
    }
    let history = runner.history(1).await;
    assert_eq!((history.entries.len(), history.deferreds.len()), (1, 1));
}
