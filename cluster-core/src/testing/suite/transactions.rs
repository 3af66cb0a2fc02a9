//! Users' transactions, as far as they need no language of a database.

use std::sync::Arc;

use super::Backend;
use super::fixture::{
    Runner, accepts, assert_fenced, keyed, outcome, poll_and_drop, request, request_id,
    state_write, stored_outcome,
};
use crate::storage::{
    Accepted, Batch, Fault, Faults, FaultyStorage, Fence, OpenTransaction, OwnershipStorage,
    Storage, StorageError, Write,
};
use crate::time::Clock;

async fn begin(storage: &dyn Storage) -> Box<dyn OpenTransaction> {
    let transactions = storage.transactions().expect("the storage offers users' transactions");
    transactions.begin().await.unwrap()
}

/// What a handler's commit carries: its outcome, its state, its outbox.
fn handler_batch(seq: u64, from: u64) -> Batch {
    Batch {
        outcomes: vec![outcome(seq)],
        states: vec![state_write("e", from, from + 1)],
        ..accepts(vec![request(seq + 100)])
    }
}

async fn assert_nothing_of(runner: &Runner, seq: u64) {
    assert_eq!(runner.find(request_id(seq)).await.unwrap().outcome, None);
    assert!(runner.find(request_id(seq + 100)).await.is_none());
    assert!(runner.state("e").await.is_none());
}

// proves: B102
pub(super) async fn a_transaction_commits_its_batch<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept(vec![keyed(request(1), "k"), request(2)]).await;
    let mut batch = handler_batch(1, 0);
    batch.accepts.push(keyed(request(102), "k"));
    let open = begin(&*runner.storage).await;
    let committed = open.commit(runner.fence, Arc::new(batch)).await.unwrap();
    assert!(matches!(committed.accepts[0], Accepted::New), "{committed:?}");
    assert!(
        matches!(&committed.accepts[1], Accepted::SameKey(known) if known.id == request_id(1)),
        "{committed:?}"
    );
    assert_eq!(runner.pending_seqs().await, [2, 101]);
    let found = runner.find(request_id(1)).await.unwrap();
    assert_eq!(found.outcome, Some(stored_outcome(1)));
    assert_eq!(runner.state("e").await.unwrap().payload, "e at 1");

    let open = begin(&*runner.storage).await;
    open.commit(runner.fence, Arc::new(handler_batch(2, 1))).await.unwrap();
    assert_eq!(runner.state("e").await.unwrap().payload, "e at 2");
}

// proves: B102
pub(super) async fn a_transaction_rolled_back_or_dropped_leaves_nothing<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept(vec![request(1)]).await;
    for round in 0..5 {
        begin(&*runner.storage).await.rollback().await;
        drop(begin(&*runner.storage).await);
        // Dropped in the middle of its commit: whole or nothing, and the database is free again.
        let open = begin(&*runner.storage).await;
        let batch = Batch { states: vec![state_write("x", 9, 10)], ..handler_batch(1, 0) };
        poll_and_drop(open.commit(runner.fence, Arc::new(batch)), round).await;
        runner.accept(vec![request(10 + round)]).await;
    }
    assert_nothing_of(&runner, 1).await;
}

// proves: B109
pub(super) async fn a_dropped_begin_frees_the_database<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    let transactions = runner.storage.transactions().unwrap();
    for round in 0..6 {
        poll_and_drop(transactions.begin(), round).await;
        runner.accept(vec![request(1 + round)]).await;
        begin(&*runner.storage).await.rollback().await;
    }
}

// proves: B118, B245
pub(super) async fn a_transaction_under_a_lost_fence_leaves_nothing<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept(vec![request(1)]).await;
    let fence = runner.storage.raise_fence(runner.fence).await.unwrap();
    let open = begin(&*runner.storage).await;
    assert_fenced(open.commit(runner.fence, Arc::new(handler_batch(1, 0))).await);
    assert_nothing_of(&runner, 1).await;

    let open = begin(&*runner.storage).await;
    open.commit(fence, Arc::new(handler_batch(1, 0))).await.unwrap();
    assert_eq!(runner.state("e").await.unwrap().payload, "e at 1");
}

// proves: B245
pub(super) async fn raising_the_fence_decides_every_open_transaction<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept(vec![request(1)]).await;
    let open = begin(&*runner.storage).await;
    let (storage, fence) = (runner.storage.clone(), runner.fence);
    let raising = tokio::spawn(async move {
        let raised = storage.raise_fence(fence).await.unwrap();
        // From here on the outcome is what it will ever be.
        let found = storage.find_requests(vec![request_id(1)]).await.unwrap().remove(0).unwrap();
        (raised, found.outcome.is_some())
    });
    // The storage may let the fence wait for the transaction, or end the transaction.
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    let committed = open.commit(fence, Arc::new(handler_batch(1, 0))).await;
    let (raised, seen) = raising.await.unwrap();
    assert_eq!(seen, committed.is_ok(), "{committed:?}");
    let new = Runner { fence: raised, ..runner };
    assert_eq!(new.find(request_id(1)).await.unwrap().outcome.is_some(), seen);
}

// proves: B244, B246
pub(super) async fn a_transaction_never_builds_on_a_state_that_is_not_stored<B: Backend>(
    backend: B,
) {
    let runner = Runner::start(&backend).await;
    runner.accept(vec![request(1)]).await;
    // Version 1 was to be committed by a batch that failed.
    let open = begin(&*runner.storage).await;
    let refused = open.commit(runner.fence, Arc::new(handler_batch(1, 1))).await;
    assert!(matches!(refused, Err(StorageError::StateConflict { .. })), "{refused:?}");
    assert_nothing_of(&runner, 1).await;
    runner
        .commit(Batch { states: vec![state_write("e", 0, 1)], ..Batch::default() })
        .await
        .unwrap();
}

// proves: B109, B245
pub(super) async fn the_outcome_tells_whether_a_lost_transaction_committed<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    let storage = FaultyStorage::new(runner.storage.clone(), Faults::new(7), Clock::system());
    let mut fence: Fence = runner.fence;
    let faults = [(Fault::DoneUnknown, true), (Fault::LostUnknown, false)];
    for (seq, (fault, done)) in (1..).zip(faults) {
        runner_with(&runner, fence).accept(vec![request(seq)]).await;
        storage.fail_next(Write::Transaction, fault, 1);
        let batch = Batch { outcomes: vec![outcome(seq)], ..Batch::default() };
        let unknown = begin(&storage).await.commit(fence, Arc::new(batch)).await;
        assert!(matches!(unknown, Err(StorageError::UnknownOutcome { .. })), "{unknown:?}");
        fence = storage.raise_fence(fence).await.unwrap();
        let found = runner.find(request_id(seq)).await.unwrap();
        assert_eq!(found.outcome.is_some(), done, "after {fault:?}");
    }
    storage.fail_next(Write::Begin, Fault::Refused, 1);
    let refused = storage.transactions().unwrap().begin().await.map(drop);
    assert!(matches!(refused, Err(StorageError::Unavailable { .. })), "{refused:?}");
    begin(&storage).await.rollback().await;
}

fn runner_with(runner: &Runner, fence: Fence) -> Runner {
    Runner { storage: runner.storage.clone(), fence }
}

// proves: B102
pub(super) async fn transactions_and_batches_take_turns<B: Backend>(backend: B) {
    let runner = Arc::new(Runner::start(&backend).await);
    let tasks: Vec<_> = (0..10_u64)
        .map(|number| {
            let runner = runner.clone();
            tokio::spawn(async move {
                let entity = format!("e{number}");
                for version in 0..5 {
                    let states = vec![state_write(&entity, version, version + 1)];
                    let batch = Batch { states, ..Batch::default() };
                    if (version + number) % 2 == 0 {
                        runner.commit(batch).await.unwrap();
                    } else {
                        let open = begin(&*runner.storage).await;
                        tokio::task::yield_now().await;
                        open.commit(runner.fence, Arc::new(batch)).await.unwrap();
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    for number in 0..10 {
        assert_eq!(runner.state(&format!("e{number}")).await.unwrap().version.as_u64(), 5);
    }
}
