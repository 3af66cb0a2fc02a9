//! What is removed when, and what never is.

use super::Backend;
use super::fixture::{Runner, accepts, join, keyed, outcome, request, request_id, time};
use crate::id::{Epoch, Seq};
use crate::storage::{
    Accepted, AttemptWrite, Batch, DeadWrite, HoldWrite, Kept, Missing, OutcomeRow, RequestRow,
    RetentionClass, RetireScan, Retired,
};
use crate::time::Timestamp;

/// Removes everything finished that may go.
fn everything() -> RetireScan {
    RetireScan {
        finished_before: [Timestamp::from_unix_ms(i64::MAX); RetentionClass::COUNT],
        after: Seq::new(0),
        limit: 1_000,
        reached: None,
    }
}

fn of_class(seq: u64, class: RetentionClass) -> RequestRow {
    let row = request(seq);
    let row = if class == RetentionClass::Keyed { keyed(row, &seq.to_string()) } else { row };
    RequestRow { class, ..row }
}

fn finished_at(seq: u64, ms: i64) -> OutcomeRow {
    OutcomeRow { finished_at: time(ms), ..outcome(seq) }
}

async fn retire(runner: &Runner, scan: RetireScan) -> Retired {
    runner.storage.retire(runner.fence, scan).await.unwrap()
}

async fn kept(runner: &Runner, seqs: impl IntoIterator<Item = u64>) -> Vec<u64> {
    let seqs: Vec<u64> = seqs.into_iter().collect();
    let ids = seqs.iter().map(|seq| request_id(*seq)).collect();
    let found = runner.storage.find_requests(ids).await.unwrap();
    let kept = seqs.into_iter().zip(found).filter(|(_, found)| found.is_some());
    kept.map(|(seq, _)| seq).collect()
}

// proves: B111
pub(super) async fn finished_requests_go_by_their_class_and_age<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    let classes = [
        RetentionClass::Awaited,
        RetentionClass::Sent,
        RetentionClass::Keyed,
        RetentionClass::Execution,
    ];
    let mut seqs = 0;
    for class in classes {
        runner.accept((1..=2).map(|offset| of_class(seqs + offset, class)).collect()).await;
        let outcomes = vec![finished_at(seqs + 1, 10), finished_at(seqs + 2, 20)];
        runner.commit(Batch { outcomes, ..Batch::default() }).await.unwrap();
        seqs += 2;
    }
    // Awaited ones finished before 15 go, sent ones before 10, keyed ones before 21, executions
    // before 20.
    let never = Timestamp::from_unix_ms(i64::MAX);
    let finished_before = [time(15), time(10), time(21), never, time(20)];
    let scan = RetireScan { finished_before, ..everything() };
    let kept_ones = Kept {
        upto: Seq::new(8),
        requests: 4,
        oldest: [Some(time(20)), Some(time(10)), None, None, Some(time(20))],
        unfinished: false,
    };
    let retired = Retired { removed: 4, next: None, kept: kept_ones };
    assert_eq!(retire(&runner, scan.clone()).await, retired);
    assert_eq!(kept(&runner, 1..=8).await, [2, 3, 4, 8]);
    assert_eq!(retire(&runner, scan).await.removed, 0);
    let found = runner.find(request_id(2)).await.unwrap();
    assert!(found.outcome.is_some(), "what is kept keeps its outcome");
}

// proves: B111
pub(super) async fn what_is_not_finished_is_never_retired<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    let due = RequestRow { due_at: Some(Timestamp::from_unix_ms(i64::MAX)), ..request(2) };
    let orphan = RequestRow { class: RetentionClass::Derived, ..request(5) };
    let held = request(7);
    runner.accept(vec![request(1), due, request(3), request(4), orphan, request(6), held]).await;
    let shard = request(1).shard;
    let batch = Batch {
        attempts: vec![AttemptWrite {
            seq: Seq::new(3),
            shard,
            epoch: Epoch::default(),
            attempts: 1,
            retry_at: time(0),
            in_order: false,
            error: String::new(),
        }],
        dead: vec![DeadWrite {
            seq: Seq::new(4),
            shard,
            epoch: Epoch::default(),
            attempts: 1,
            error: String::new(),
            died_at: time(-1_000_000),
        }],
        holds: vec![HoldWrite {
            seq: Seq::new(7),
            shard,
            epoch: Epoch::default(),
            held_at: time(-1_000_000),
            missing: Missing::Message,
        }],
        outcomes: vec![outcome(6)],
        ..Batch::default()
    };
    runner.commit(batch).await.unwrap();
    let step = retire(&runner, everything()).await;
    let others = Kept { unfinished: true, ..Kept::nothing(Seq::new(6)) };
    assert_eq!(step, Retired { removed: 1, next: None, kept: others });
    assert_eq!(kept(&runner, 1..=7).await, [1, 2, 3, 4, 5, 7]);
    assert_eq!(runner.storage.held(Seq::new(0), 9).await.unwrap().len(), 1);
    assert_eq!(runner.waiting_seqs().await, [1, 2, 3, 5]);
    assert_eq!(runner.storage.dead_letters(Seq::new(0), 9).await.unwrap().len(), 1);
}

// proves: B111
pub(super) async fn a_derived_request_stays_as_long_as_its_outer_one<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    let derived = |seq: u64, outer: u64| RequestRow {
        outer: Some(request_id(outer)),
        ..of_class(seq, RetentionClass::Derived)
    };
    let outer = of_class(1, RetentionClass::Keyed);
    // The last one's outer request was never stored here.
    runner.accept(vec![outer, derived(2, 1), derived(3, 2), derived(4, 77)]).await;
    runner.finish(2..=4).await;
    let step = retire(&runner, everything()).await;
    assert_eq!((step.removed, step.kept.requests, step.kept.unfinished), (1, 2, true));
    assert_eq!(kept(&runner, 1..=4).await, [1, 2, 3], "the outer one is pending still");

    runner.finish([1]).await;
    let young = RetireScan { finished_before: [time(0); RetentionClass::COUNT], ..everything() };
    let step = retire(&runner, young).await;
    assert_eq!(step.removed, 0, "the outer one is in its window still");
    assert_eq!(
        step.kept.oldest,
        [None, None, Some(time(0)), None, None],
        "as long as the outer one"
    );
    assert_eq!(retire(&runner, everything()).await.removed, 3, "the whole chain at once");
    assert_eq!(kept(&runner, 1..=4).await, Vec::<u64>::new());
}

// proves: B111
pub(super) async fn retention_goes_in_bounded_steps_oldest_first<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept((1..=10).map(request).collect()).await;
    runner.finish((1..=10).filter(|seq| *seq != 3)).await;

    let mut scan = RetireScan { limit: 4, ..everything() };
    let mut removed = Vec::new();
    let mut steps = 0;
    loop {
        let before = kept(&runner, 1..=10).await;
        let step = retire(&runner, scan.clone()).await;
        assert!(step.removed <= 4, "a step is bounded");
        let after = kept(&runner, 1..=10).await;
        removed.extend(before.into_iter().filter(|seq| !after.contains(seq)));
        steps += 1;
        assert!(steps < 10, "the scan ends");
        match step.next {
            Some(next) => scan.after = next,
            None => break,
        }
    }
    assert_eq!(removed, [1, 2, 4, 5, 6, 7, 8, 9, 10]);
    assert!(steps >= 3);
}

// proves: B111
pub(super) async fn a_request_of_the_future_holds_up_no_other<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    let ahead = RequestRow { accepted_at: time(1_000_000), ..request(1) };
    runner.accept(vec![ahead, request(2)]).await;
    let outcomes = vec![finished_at(1, 1_000_000), finished_at(2, 10)];
    runner.commit(Batch { outcomes, ..Batch::default() }).await.unwrap();
    let scan = RetireScan { finished_before: [time(20); RetentionClass::COUNT], ..everything() };
    assert_eq!(retire(&runner, scan).await.removed, 1);
    assert_eq!(kept(&runner, 1..=2).await, [1]);
}

// proves: B111
pub(super) async fn the_time_that_retention_reached_is_told_to_the_next<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    let first = join(&*runner.storage).await.unwrap();
    let again = join(&*runner.storage).await.unwrap();
    assert_eq!(again.reached, first.reached, "the time of the first join, until one is stored");
    for reached in [time(30), time(10)] {
        let step = RetireScan { reached: Some(reached), ..everything() };
        runner.storage.retire(again.fence, step).await.unwrap();
        runner.storage.retire(again.fence, everything()).await.unwrap();
    }
    assert_eq!(join(&*runner.storage).await.unwrap().reached, time(10), "the last one");
}

// proves: B111, B103
pub(super) async fn a_retired_key_runs_again<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept(vec![keyed(request(1), "k")]).await;
    runner.finish([1]).await;
    let again = runner.accept_one(keyed(request(2), "k")).await;
    assert!(matches!(again, Accepted::SameKey(_)), "{again:?}");

    assert_eq!(retire(&runner, everything()).await.removed, 1);
    let rows = vec![keyed(request(3), "k"), RequestRow { id: request_id(1), ..request(4) }];
    let accepted = runner.commit(accepts(rows)).await.unwrap().accepts;
    assert!(matches!(accepted[..], [Accepted::New, Accepted::New]), "{accepted:?}");
}
