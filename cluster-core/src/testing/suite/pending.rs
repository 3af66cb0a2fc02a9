//! Loading what waits, and listing what is dead.

use bytes::Bytes;

use super::Backend;
use super::fixture::{Runner, join, request, request_to, state_key, time};
use crate::id::{Seq, ShardCount, ShardId};
use crate::storage::{Batch, DeadWrite, PendingScan, RequestRow};
use crate::time::Timestamp;

fn scan(after: u64, limit: usize) -> PendingScan {
    PendingScan { after: Seq::new(after), entity: None, limit, bytes: usize::MAX }
}

async fn load(runner: &Runner, scan: PendingScan) -> Vec<u64> {
    let pending = runner.storage.load_pending(runner.fence, scan).await.unwrap();
    pending.iter().map(|found| found.request.seq.as_u64()).collect()
}

fn death(row: &RequestRow) -> DeadWrite {
    DeadWrite {
        seq: row.seq,
        shard: row.shard,
        epoch: row.epoch,
        attempts: 1,
        error: String::new(),
        died_at: time(0),
    }
}

// proves: B105
pub(super) async fn pending_requests_load_in_order_page_by_page_each_once<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    let seqs: Vec<u64> = (1..=257).map(|number| number * 3).collect();
    let entity = |seq: u64| format!("e-{}", seq % 11);
    for chunk in seqs.chunks(100) {
        runner.accept(chunk.iter().map(|seq| request_to(*seq, &entity(*seq))).collect()).await;
    }
    let mut loaded = Vec::new();
    loop {
        let page = load(&runner, scan(loaded.last().copied().unwrap_or(0), 50)).await;
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 50, "a page is bounded");
        loaded.extend(page);
    }
    assert_eq!(loaded, seqs);
    assert_eq!(load(&runner, scan(u64::MAX, 50)).await, Vec::<u64>::new());
}

// proves: B105
pub(super) async fn a_page_of_pending_requests_is_bounded_in_bytes<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    let row = |seq: u64| RequestRow { arguments: Bytes::from(vec![7; 1_000]), ..request(seq) };
    runner.accept((1..=20).map(row).collect()).await;
    let page = |after, limit, bytes| PendingScan { bytes, ..scan(after, limit) };
    for (bytes, upto) in [(1, 1), (1_000, 1), (1_001, 2), (6_000, 6), (usize::MAX, 20)] {
        assert_eq!(load(&runner, page(0, 50, bytes)).await, (1..=upto).collect::<Vec<_>>());
    }
    assert_eq!(load(&runner, page(4, 2, 6_000)).await, [5, 6], "rows are bounded as well");
    assert_eq!(load(&runner, page(18, 50, 6_000)).await, [19, 20], "the last page has room");
}

// proves: B105
pub(super) async fn what_is_finished_dead_or_due_later_is_not_pending<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    let now = runner.storage.cluster_time().await.unwrap().unix_ms();
    let due = |seq: u64, hours: i64| RequestRow {
        due_at: Some(Timestamp::from_unix_ms(now + hours * 3_600_000)),
        ..request(seq)
    };
    let rows = vec![request(1), due(2, 5), request(3), due(4, -1), request(5), due(6, 2)];
    runner.accept(rows).await;
    runner.finish([1]).await;
    let dead = vec![death(&request(5))];
    runner.commit(Batch { dead, ..Batch::default() }).await.unwrap();
    assert_eq!(runner.pending_seqs().await, [3], "overdue or not");
    assert_eq!(load(&runner, scan(0, 1)).await, [3], "pages count what is loaded");
    runner.finish([4, 3]).await;
    assert_eq!(runner.waiting_seqs().await, [2, 6]);
}

// proves: B105
pub(super) async fn only_owned_shards_and_the_asked_entity_are_loaded<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    let mut other_type = request_to(5, "a");
    other_type.entity_type = "Order".into();
    let rows = vec![request_to(1, "a"), request_to(2, "b"), request_to(3, "a"), other_type];
    runner.accept(rows).await;
    runner.accept(vec![request_to(7, "a")]).await;

    let of_a = |after| PendingScan { entity: Some(state_key("a")), ..scan(after, 2) };
    assert_eq!(load(&runner, of_a(0)).await, [1, 3]);
    assert_eq!(load(&runner, of_a(3)).await, [7]);

    // The next runner takes b's shard only.
    let joined = join(&*runner.storage).await.unwrap();
    let next = Runner { fence: joined.fence, ..runner };
    assert_eq!(load(&next, scan(0, 100)).await, Vec::<u64>::new());
    let shard = ShardId::of(&"b".into(), ShardCount::default());
    next.storage.take_shards(next.fence, vec![shard]).await.unwrap();
    assert_eq!(load(&next, scan(0, 100)).await, [2]);
}

// proves: B105
pub(super) async fn dead_letters_are_listed_page_by_page<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept((1..=25).map(request).collect()).await;
    let dead = (1..=25).rev().map(|seq| death(&request(seq))).collect();
    runner.commit(Batch { dead, ..Batch::default() }).await.unwrap();

    let mut listed = Vec::new();
    loop {
        let after = listed.last().copied().unwrap_or(Seq::new(0));
        let page = runner.storage.dead_letters(after, 10).await.unwrap();
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 10, "a page is bounded");
        listed.extend(page.into_iter().map(|letter| letter.request.seq));
    }
    assert_eq!(listed, (1..=25).map(Seq::new).collect::<Vec<_>>());
}
