//! Reads that a runner answers only while it is the owner.

use std::future::IntoFuture;

use cluster::prelude::*;
use cluster::storage::StorageError;

use super::support::{Bed, backends, is_waiting, refused};

/// What was put on a board, not stored.
#[derive(Entity, Default)]
struct Board {
    notes: u32,
}

#[entity]
impl Board {
    #[message]
    fn put(&mut self) -> u32 {
        self.notes += 1;
        self.notes
    }

    #[message]
    fn seen(&self) -> u32 {
        self.notes
    }

    #[message(fenced)]
    fn confirmed(&self) -> u32 {
        self.notes
    }

    #[message(fenced)]
    async fn confirmed_later(&self) -> Result<u32, String> {
        tokio::task::yield_now().await;
        Err(self.notes.to_string())
    }
}

/// The same with a state that is stored.
#[derive(Entity, Default, Serialize, Deserialize)]
#[entity(durable)]
struct Ledger {
    total: u32,
}

#[entity]
impl Ledger {
    #[message]
    fn add(&mut self) -> u32 {
        self.total += 1;
        self.total
    }

    #[message(fenced)]
    fn confirmed(&self) -> u32 {
        self.total
    }

    #[message(fenced)]
    fn add_confirmed(&mut self, cents: u32) -> u32 {
        self.total += cents;
        self.total
    }
}

async fn start(bed: &Bed) -> Cluster {
    bed.start(|builder| {
        builder.config(|config| config.commit_attempts = 1).entity::<Board>().entity::<Ledger>()
    })
    .await
}

// proves: B258
async fn the_reply_waits_until_the_storage_says_so(bed: Bed) {
    let cluster = start(&bed).await;
    let (board, ledger) = (cluster.get::<Board>("b"), cluster.get::<Ledger>("l"));
    board.put().await.unwrap();
    ledger.add().await.unwrap();
    bed.door.hold_commits();
    let mut confirmed = board.confirmed().into_future();
    assert!(is_waiting(&mut confirmed).await);
    bed.door.commits_held(1).await;
    let mut later = board.confirmed_later().into_future();
    let mut total = ledger.confirmed().into_future();
    let mut unchanged = ledger.add_confirmed(0).into_future();
    assert!(is_waiting(&mut later).await);
    assert!(is_waiting(&mut total).await);
    assert!(is_waiting(&mut unchanged).await);
    // Others go on meanwhile, and are told what they may know.
    assert_eq!(board.put().await.unwrap(), 2);
    assert_eq!(board.seen().await.unwrap(), 2);
    bed.door.release();
    assert_eq!(confirmed.await.unwrap(), 1);
    assert!(matches!(later.await, Err(CallError::Entity(seen)) if seen == "1"));
    assert_eq!(total.await.unwrap(), 1);
    assert_eq!(unchanged.await.unwrap(), 1);
    assert_eq!(ledger.add_confirmed(2).await.unwrap(), 3);
}

// proves: B258
async fn many_are_confirmed_at_once(bed: Bed) {
    let cluster = start(&bed).await;
    let board = cluster.get::<Board>("b");
    let before = bed.door.calls("commit");
    bed.door.hold_commits();
    let mut first = board.confirmed().into_future();
    assert!(is_waiting(&mut first).await);
    bed.door.commits_held(1).await;
    let mut reads: Vec<_> = (0..100).map(|_| board.confirmed().into_future()).collect();
    for read in &mut reads {
        assert!(is_waiting(read).await);
    }
    bed.door.release();
    for read in reads {
        assert_eq!(read.await.unwrap(), 0);
    }
    assert_eq!(first.await.unwrap(), 0);
    assert!(bed.door.calls("commit") - before <= 2);
}

// proves: B258
async fn who_is_the_owner_no_more_does_not_answer(bed: Bed) {
    let cluster = start(&bed).await;
    let board = cluster.get::<Board>("b");
    board.put().await.unwrap();
    bed.door.hold_commits();
    let mut confirmed = board.confirmed().into_future();
    assert!(is_waiting(&mut confirmed).await);
    bed.door.turn_away(StorageError::Fenced { incarnation: 1 });
    let told = confirmed.await.unwrap_err();
    assert!(matches!(told, ClusterError::ShuttingDown), "{told:?}");
    bed.door.release();
    while !cluster.is_shutting_down() {
        tokio::task::yield_now().await;
    }
    assert!(matches!(board.confirmed().await, Err(ClusterError::ShuttingDown)));
}

// proves: B258
async fn what_cannot_be_confirmed_is_not_answered(bed: Bed) {
    let cluster = start(&bed).await;
    let ledger = cluster.get::<Ledger>("l");
    assert_eq!(ledger.add().await.unwrap(), 1);
    bed.door.hold_commits();
    let mut confirmed = ledger.confirmed().into_future();
    assert!(is_waiting(&mut confirmed).await);
    bed.door.turn_away(refused());
    confirmed.await.unwrap_err();
    bed.door.release();
    // The storage is back, and nothing was lost by it.
    assert_eq!(ledger.confirmed().await.unwrap(), 1);
    assert_eq!(ledger.add().await.unwrap(), 2);
}

/// A second runner has taken over, and the first one has not heard of it.
// proves: B258
#[tokio::test]
async fn a_runner_that_was_replaced_does_not_answer() {
    let bed = Bed::memory();
    let first = start(&bed).await;
    let board = first.get::<Board>("b");
    board.put().await.unwrap();
    let second = bed.start_beside(|builder| builder.entity::<Board>()).await;
    board.confirmed().await.unwrap_err();
    assert_eq!(second.get::<Board>("b").confirmed().await.unwrap(), 0);
}

backends!(
    the_reply_waits_until_the_storage_says_so,
    many_are_confirmed_at_once,
    who_is_the_owner_no_more_does_not_answer,
    what_cannot_be_confirmed_is_not_answered,
);
