//! Requests that are due at a time, held ones, and those that run again.

use bytes::Bytes;

use super::Backend;
use super::fixture::{Runner, join, outcome, request, request_id, request_to, time};
use crate::id::{Epoch, Seq, ShardCount, ShardId};
use crate::storage::{
    AttemptWrite, Batch, DeadWrite, Due, DueScan, HoldWrite, Missing, RedriveFrom, RedriveWrite,
    RequestRow,
};
use crate::time::Timestamp;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

fn due(seq: u64, ms: i64) -> RequestRow {
    RequestRow { due_at: Some(at(ms)), ..request(seq) }
}

fn attempt(seq: u64, attempts: u32, in_order: bool) -> Batch {
    let write = AttemptWrite {
        seq: Seq::new(seq),
        shard: request(seq).shard,
        epoch: Epoch::default(),
        attempts,
        retry_at: at(i64::from(attempts) * 100),
        in_order,
        error: "failed".to_owned(),
    };
    Batch { attempts: vec![write], ..Batch::default() }
}

fn hold(seq: u64, missing: Missing) -> Batch {
    let write = HoldWrite {
        seq: Seq::new(seq),
        shard: request(seq).shard,
        epoch: Epoch::default(),
        held_at: time(5),
        missing,
    };
    Batch { holds: vec![write], ..Batch::default() }
}

fn death(seq: u64, died_at: Timestamp) -> Batch {
    let write = DeadWrite {
        seq: Seq::new(seq),
        shard: request(seq).shard,
        epoch: Epoch::default(),
        attempts: 3,
        error: "gave up".to_owned(),
        died_at,
    };
    Batch { dead: vec![write], ..Batch::default() }
}

fn redrive(seq: u64, from: RedriveFrom, due_at: Option<Timestamp>) -> Batch {
    let (shard, epoch) = (request(seq).shard, Epoch::default());
    let write = RedriveWrite { seq: Seq::new(seq), shard, epoch, from, due_at };
    Batch { redrives: vec![write], ..Batch::default() }
}

async fn page(runner: &Runner, after: Due, limit: usize, bytes: usize) -> Vec<(i64, u64)> {
    let scan = DueScan { after, limit, bytes };
    let page = runner.storage.load_due(runner.fence, scan).await.unwrap();
    let place = |due_at: Option<Timestamp>| due_at.expect("due at a time").unix_ms();
    page.iter().map(|found| (place(found.due_at), found.request.seq.as_u64())).collect()
}

// proves: B79, B105
pub(super) async fn due_requests_load_in_the_order_of_their_time<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    // Many at one time, as well as before the year 1970 and at the end of time.
    let time_of = |seq: u64| match seq {
        1 => i64::MAX,
        2 => -5,
        _ => i64::try_from(seq.wrapping_mul(7) % 5).unwrap(),
    };
    runner.accept((1..=97).map(|seq| due(seq, time_of(seq))).collect()).await;
    let mut expected: Vec<(i64, u64)> = (1..=97).map(|seq| (time_of(seq), seq)).collect();
    expected.sort_unstable();

    let (mut loaded, mut after) = (Vec::new(), Due::FIRST);
    loop {
        let page = page(&runner, after, 10, usize::MAX).await;
        let Some((ms, seq)) = page.last() else { break };
        assert!(page.len() <= 10, "a page is bounded");
        after = Due { at: at(*ms), seq: Seq::new(*seq) };
        loaded.extend(page);
    }
    assert_eq!(loaded, expected);
    assert_eq!(runner.pending_seqs().await, Vec::<u64>::new());
}

// proves: B105
pub(super) async fn a_page_of_due_requests_is_bounded_and_of_own_shards<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    let row = |seq: u64, entity: &str| RequestRow {
        arguments: Bytes::from(vec![7; 1_000]),
        due_at: Some(at(9)),
        ..request_to(seq, entity)
    };
    runner.accept(vec![row(1, "a"), row(2, "a"), row(3, "b"), row(4, "a")]).await;
    for (bytes, many) in [(1, 1), (1_000, 1), (1_001, 2), (usize::MAX, 4)] {
        assert_eq!(page(&runner, Due::FIRST, 50, bytes).await.len(), many);
    }
    let joined = join(&*runner.storage).await.unwrap();
    let next = Runner { fence: joined.fence, ..runner };
    assert_eq!(next.due().await.len(), 0);
    let shard = ShardId::of(&"b".into(), ShardCount::default());
    next.storage.take_shards(next.fence, vec![shard]).await.unwrap();
    assert_eq!(page(&next, Due::FIRST, 50, usize::MAX).await, [(9, 3)]);
}

// proves: B90
pub(super) async fn a_failed_request_is_due_at_its_next_attempt<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept(vec![request(1), request(2), due(3, 50)]).await;
    runner.commit(attempt(1, 1, false)).await.unwrap();
    runner.commit(attempt(3, 2, false)).await.unwrap();
    assert_eq!(runner.pending_seqs().await, [2]);
    assert_eq!(page(&runner, Due::FIRST, 9, usize::MAX).await, [(100, 1), (200, 3)]);

    runner.commit(attempt(1, 3, false)).await.unwrap();
    assert_eq!(page(&runner, Due::FIRST, 9, usize::MAX).await, [(200, 3), (300, 1)]);
    assert_eq!(runner.due().await[1].attempts, 3);
    runner.finish([1, 3]).await;
    assert_eq!(runner.due().await.len(), 0);
}

// proves: B257
pub(super) async fn in_order_a_failed_request_keeps_its_place<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept(vec![request(1), request(2)]).await;
    runner.commit(attempt(1, 4, true)).await.unwrap();
    assert_eq!(runner.due().await.len(), 0);
    let pending = runner.pending().await;
    assert_eq!((pending[0].attempts, pending[0].due_at), (4, Some(at(400))));
    assert_eq!((pending[1].attempts, pending[1].due_at), (0, None));

    // One that was due at a time has its place among them from then on.
    runner.accept(vec![due(3, 50), request(4)]).await;
    for attempts in [1, 2, 2] {
        runner.commit(attempt(3, attempts, true)).await.unwrap();
    }
    assert_eq!(runner.due().await.len(), 0);
    assert_eq!(runner.pending_seqs().await, [1, 2, 3, 4]);
    let failed = &runner.pending().await[2];
    assert_eq!((failed.attempts, failed.due_at), (2, Some(at(200))));
    runner.finish([3]).await;
    assert_eq!(runner.pending_seqs().await, [1, 2, 4]);
}

// proves: B95
pub(super) async fn held_requests_are_listed_until_they_are_released<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept(vec![request(1), due(2, 50), request(3), request(4)]).await;
    let unreadable = Missing::Contract("field `a` is new".to_owned());
    runner.commit(hold(1, unreadable.clone())).await.unwrap();
    runner.commit(hold(2, Missing::EntityType)).await.unwrap();
    runner.commit(hold(4, Missing::Message)).await.unwrap();
    runner.commit(hold(4, Missing::EntityType)).await.unwrap();
    assert_eq!(runner.waiting_seqs().await, [3]);

    let held = runner.storage.held(Seq::new(0), 2).await.unwrap();
    let kinds: Vec<_> = held.iter().map(|h| (h.request.seq.as_u64(), &h.missing)).collect();
    assert_eq!(kinds, [(1, &unreadable), (2, &Missing::EntityType)]);
    assert_eq!(held[0].held_at, time(5));
    let rest = runner.storage.held(Seq::new(2), 2).await.unwrap();
    assert_eq!((rest.len(), &rest[0].missing), (1, &Missing::Message), "the first hold holds");
    let found = runner.find(request_id(1)).await.unwrap();
    assert_eq!((found.held, found.outcome), (Some(unreadable), None));

    // An attempt is none of a held request; it may end.
    runner.commit(attempt(4, 1, false)).await.unwrap();
    runner.finish([4]).await;
    assert_eq!(runner.find(request_id(4)).await.unwrap().held, None);
    runner.commit(redrive(1, RedriveFrom::Held, None)).await.unwrap();
    runner.commit(redrive(2, RedriveFrom::Held, Some(at(7)))).await.unwrap();
    assert_eq!(runner.pending_seqs().await, [1, 3]);
    assert_eq!(page(&runner, Due::FIRST, 9, usize::MAX).await, [(7, 2)]);
    assert!(runner.storage.held(Seq::new(0), 9).await.unwrap().is_empty());
}

// proves: B43, B93
pub(super) async fn a_request_runs_again_from_where_it_stands_only<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept((1..=4).map(request).collect()).await;
    runner.commit(death(1, time(10))).await.unwrap();
    runner.finish([2]).await;
    let finished_at = runner.find(request_id(2)).await.unwrap().finished_at;
    assert_eq!(finished_at, Some(outcome(2).finished_at));
    let finished = RedriveFrom::Finished(outcome(2).finished_at);

    // Others, other times, other places: nothing.
    for (seq, from) in [
        (1, RedriveFrom::Dead(time(11))),
        (1, RedriveFrom::Finished(time(10))),
        (1, RedriveFrom::Held),
        (2, RedriveFrom::Finished(time(99_999))),
        (3, RedriveFrom::Dead(time(10))),
        (9, RedriveFrom::Held),
    ] {
        runner.commit(redrive(seq, from, Some(at(1)))).await.unwrap();
    }
    assert_eq!(runner.waiting_seqs().await, [3, 4]);

    runner.commit(redrive(1, RedriveFrom::Dead(time(10)), Some(at(1)))).await.unwrap();
    runner.commit(redrive(2, finished, Some(at(2)))).await.unwrap();
    assert_eq!(page(&runner, Due::FIRST, 9, usize::MAX).await, [(1, 1), (2, 2)]);
    assert!(runner.due().await.iter().all(|found| found.attempts == 0), "none was made");
    assert_eq!(runner.find(request_id(2)).await.unwrap().outcome, None);
    assert!(runner.storage.dead_letters(Seq::new(0), 9).await.unwrap().is_empty());

    // Asked again, after it has ended anew: that one stays as it is.
    runner.commit(death(1, time(20))).await.unwrap();
    runner.commit(redrive(1, RedriveFrom::Dead(time(10)), Some(at(3)))).await.unwrap();
    assert_eq!(runner.storage.dead_letters(Seq::new(0), 9).await.unwrap().len(), 1);
}
