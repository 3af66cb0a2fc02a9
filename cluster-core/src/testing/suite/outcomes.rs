//! How requests end: outcomes, failed attempts, dead letters.

use super::Backend;
use super::fixture::{Runner, outcome, request, request_id, stored_outcome, time};
use crate::id::Seq;
use crate::storage::{AttemptWrite, Batch, DeadWrite, OutcomeKind, OutcomeRow, StoredOutcome};

/// What a program says when it fails, with all that a text may have.
const TROUBLE: &str = "'\\new\\x41' said \"a\\\\b\\\"\n\0$1 ?2 {p} ü";

fn attempt(seq: u64, attempts: u32) -> AttemptWrite {
    AttemptWrite {
        seq: Seq::new(seq),
        shard: request(seq).shard,
        epoch: request(seq).epoch,
        attempts,
        retry_at: time(i64::from(attempts)),
        in_order: false,
        error: format!("attempt {attempts}: {TROUBLE}"),
    }
}

fn death(seq: u64) -> DeadWrite {
    DeadWrite {
        seq: Seq::new(seq),
        shard: request(seq).shard,
        epoch: request(seq).epoch,
        attempts: 10,
        error: format!("{seq} gave up: {TROUBLE}"),
        died_at: time(10),
    }
}

fn attempts(attempts: Vec<AttemptWrite>) -> Batch {
    Batch { attempts, ..Batch::default() }
}

fn deaths(dead: Vec<DeadWrite>) -> Batch {
    Batch { dead, ..Batch::default() }
}

async fn dead_seqs(runner: &Runner) -> Vec<u64> {
    let letters = runner.storage.dead_letters(Seq::new(0), 100).await.unwrap();
    letters.iter().map(|letter| letter.request.seq.as_u64()).collect()
}

// proves: B102
pub(super) async fn an_outcome_finishes_a_request_once<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept((1..=4).map(request).collect()).await;
    let kinds = [OutcomeKind::Ok, OutcomeKind::Err, OutcomeKind::Failed, OutcomeKind::Interrupted];
    let outcomes: Vec<OutcomeRow> = (1..=4)
        .zip(kinds)
        .map(|(seq, kind)| OutcomeRow {
            outcome: StoredOutcome { kind, ..stored_outcome(seq) },
            // None of them stands anywhere else, whether that is known or not.
            elsewhere: seq % 2 == 0,
            ..outcome(seq)
        })
        .collect();
    runner.commit(Batch { outcomes: outcomes.clone(), ..Batch::default() }).await.unwrap();

    // A second outcome, of whatever kind, is not the one.
    runner.finish(1..=4).await;
    for row in outcomes {
        let found = runner.find(request_id(row.seq.as_u64())).await.unwrap();
        assert_eq!((found.outcome, found.dead), (Some(row.outcome), false));
    }
    assert_eq!(runner.waiting_seqs().await, Vec::<u64>::new());
}

// proves: B102
pub(super) async fn attempts_are_counted_and_never_fall<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept(vec![request(1), request(2)]).await;
    runner.commit(attempts(vec![attempt(1, 2)])).await.unwrap();
    runner.commit(attempts(vec![attempt(1, 1)])).await.unwrap();

    let pending = runner.waiting().await;
    assert_eq!(pending.len(), 2, "one in back-off waits still");
    assert_eq!((pending[0].attempts, pending[0].due_at), (2, Some(time(2))));
    assert_eq!((pending[1].attempts, pending[1].due_at), (0, None));

    runner.commit(attempts(vec![attempt(1, 3)])).await.unwrap();
    assert_eq!(runner.waiting().await[0].attempts, 3);
    runner.finish([1]).await;
    assert_eq!(runner.waiting_seqs().await, [2]);
}

// proves: B102
pub(super) async fn a_dead_letter_is_listed_until_it_has_an_outcome<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept(vec![request(1), request(2)]).await;
    runner.commit(attempts(vec![attempt(1, 9)])).await.unwrap();
    runner.commit(deaths(vec![death(1)])).await.unwrap();

    assert_eq!(runner.waiting_seqs().await, [2]);
    let letters = runner.storage.dead_letters(Seq::new(0), 100).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].request.id, request_id(1));
    assert_eq!((letters[0].attempts, letters[0].error.clone()), (10, death(1).error));
    assert_eq!(letters[0].died_at, time(10));
    let found = runner.find(request_id(1)).await.unwrap();
    assert_eq!((found.outcome, found.dead), (None, true));

    // Neither a further death nor a further attempt wakes it.
    let again = DeadWrite { error: "again".to_owned(), ..death(1) };
    runner.commit(deaths(vec![again])).await.unwrap();
    runner.commit(attempts(vec![attempt(1, 11)])).await.unwrap();
    assert_eq!(runner.waiting_seqs().await, [2]);
    let letters = runner.storage.dead_letters(Seq::new(0), 100).await.unwrap();
    assert_eq!((letters[0].attempts, letters[0].error.clone()), (10, death(1).error));

    runner.finish([1]).await;
    assert_eq!(dead_seqs(&runner).await, Vec::<u64>::new());
    let found = runner.find(request_id(1)).await.unwrap();
    assert_eq!((found.outcome, found.dead), (Some(stored_outcome(1)), false));
}

// proves: B102
pub(super) async fn rows_of_requests_that_are_not_stored_are_dropped<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    let batch = Batch {
        outcomes: vec![outcome(1)],
        attempts: vec![attempt(2, 1)],
        dead: vec![death(3)],
        ..Batch::default()
    };
    runner.commit(batch).await.unwrap();
    assert_eq!(dead_seqs(&runner).await, Vec::<u64>::new());

    // What comes under these numbers later starts fresh.
    runner.accept((1..=3).map(request).collect()).await;
    let pending = runner.waiting().await;
    assert_eq!(pending.len(), 3);
    assert!(pending.iter().all(|found| (found.attempts, found.due_at) == (0, None)));
    assert_eq!(runner.find(request_id(1)).await.unwrap().outcome, None);
}

// proves: B102
pub(super) async fn nothing_happens_to_a_finished_request<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept(vec![request(1)]).await;
    runner.finish([1]).await;
    runner.commit(deaths(vec![death(1)])).await.unwrap();
    runner.commit(attempts(vec![attempt(1, 1)])).await.unwrap();

    assert_eq!(dead_seqs(&runner).await, Vec::<u64>::new());
    assert_eq!(runner.waiting_seqs().await, Vec::<u64>::new());
    let found = runner.find(request_id(1)).await.unwrap();
    assert_eq!((found.outcome, found.dead), (Some(stored_outcome(1)), false));
}
