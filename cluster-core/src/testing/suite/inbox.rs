//! What tools write into the inbox.

use super::Backend;
use super::fixture::{Runner, assert_fenced, request, request_id, state_write, time};
use crate::id::{Epoch, Seq};
use crate::storage::{
    Batch, DeadWrite, InboxNumber, InboxRow, RedriveFrom, RedriveWrite, StorageError, Wish, Wished,
};

fn wished(seq: u64, wish: Wish) -> Wished {
    Wished { request: request_id(seq), wish }
}

/// The rows of the inbox, read in pages of this size.
async fn rows(runner: &Runner, limit: usize) -> Vec<InboxRow> {
    let (mut all, mut after) = (Vec::new(), InboxNumber::FIRST);
    loop {
        let page = runner.storage.inbox(after, limit).await.unwrap();
        assert!(page.len() <= limit);
        assert!(page.is_sorted_by(|a, b| a.number < b.number), "in the order of the numbers");
        let Some(last) = page.last() else { return all };
        assert!(last.number > after);
        after = last.number;
        all.extend(page);
    }
}

async fn wishes(runner: &Runner) -> Vec<Wished> {
    rows(runner, 100).await.into_iter().map(|row| row.wished.unwrap()).collect()
}

fn taking(taken: impl IntoIterator<Item = InboxNumber>) -> Batch {
    Batch { taken: taken.into_iter().collect(), ..Batch::default() }
}

pub(super) async fn wishes_are_listed_page_by_page_until_they_are_taken<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    assert!(rows(&runner, 1).await.is_empty());
    // Also of requests that are not stored.
    let all: Vec<Wished> =
        (1..=7).map(|seq| wished(seq, Wish::ALL[usize::try_from(seq).unwrap() % 3])).collect();
    runner.storage.wish(all[..3].to_vec()).await.unwrap();
    runner.storage.wish(all[3..].to_vec()).await.unwrap();
    for limit in [1, 2, 7, 100] {
        let listed = rows(&runner, limit).await;
        let listed: Vec<_> = listed.into_iter().map(|row| row.wished.unwrap()).collect();
        assert_eq!(listed, all, "in pages of {limit}");
    }
    // Any of them go, whatever their order.
    let numbers: Vec<_> = rows(&runner, 100).await.into_iter().map(|row| row.number).collect();
    runner.commit(taking([numbers[5], numbers[1]])).await.unwrap();
    let left: Vec<_> = [0, 2, 3, 4, 6].map(|at| all[at]).to_vec();
    assert_eq!(wishes(&runner).await, left);
    runner.commit(taking(numbers)).await.unwrap();
    assert!(wishes(&runner).await.is_empty());
}

pub(super) async fn a_row_goes_with_the_batch_that_takes_it<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept(vec![request(1)]).await;
    let (row, epoch) = (request(1), Epoch::new(1));
    let death = DeadWrite {
        seq: row.seq,
        shard: row.shard,
        epoch,
        attempts: 1,
        error: "poison".to_owned(),
        died_at: time(5),
    };
    runner.commit(Batch { dead: vec![death], ..Batch::default() }).await.unwrap();
    runner.storage.wish(vec![wished(1, Wish::Redrive)]).await.unwrap();
    let number = rows(&runner, 1).await[0].number;
    let redrive = RedriveWrite {
        seq: row.seq,
        shard: row.shard,
        epoch,
        from: RedriveFrom::Dead(time(5)),
        due_at: Some(time(6)),
    };
    let batch = Batch { redrives: vec![redrive], ..taking([number]) };

    // A batch that cannot be written takes nothing.
    let conflict = Batch { states: vec![state_write("e", 7, 8)], ..batch.clone() };
    let refused = runner.commit(conflict).await;
    assert!(matches!(refused, Err(StorageError::StateConflict { .. })), "{refused:?}");
    assert_eq!(wishes(&runner).await, [wished(1, Wish::Redrive)]);
    assert_eq!(runner.storage.dead_letters(Seq::new(0), 9).await.unwrap().len(), 1);

    runner.commit(batch).await.unwrap();
    assert!(wishes(&runner).await.is_empty());
    assert_eq!(runner.waiting_seqs().await, [1]);
}

pub(super) async fn a_row_taken_again_takes_no_other<B: Backend>(backend: B) {
    let mut runner = Runner::start(&backend).await;
    runner.storage.wish(vec![wished(1, Wish::Cancel)]).await.unwrap();
    let number = rows(&runner, 1).await[0].number;
    runner.commit(taking([number])).await.unwrap();
    // As after an unknown outcome, when the next row has come meanwhile.
    runner.storage.wish(vec![wished(2, Wish::Discard)]).await.unwrap();
    runner.fence = runner.storage.raise_fence(runner.fence).await.unwrap();
    runner.commit(taking([number])).await.unwrap();
    assert_eq!(wishes(&runner).await, [wished(2, Wish::Discard)]);
    assert!(rows(&runner, 1).await[0].number > number);
}

pub(super) async fn who_has_lost_its_fence_takes_nothing<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.storage.wish(vec![wished(1, Wish::Cancel)]).await.unwrap();
    let number = rows(&runner, 1).await[0].number;
    let raised = runner.storage.raise_fence(runner.fence).await.unwrap();
    assert_fenced(runner.commit(taking([number])).await);
    assert_eq!(wishes(&runner).await, [wished(1, Wish::Cancel)]);
    let next = Runner { fence: raised, storage: runner.storage };
    next.commit(taking([number])).await.unwrap();
    assert!(wishes(&next).await.is_empty());
}
