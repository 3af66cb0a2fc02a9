//! Accepting requests: what is stored, and what is found to be there already.

use bytes::Bytes;

use super::Backend;
use super::fixture::{
    Runner, accepts, assert_same_row, keyed, known, outcome, request, request_id, request_to,
    stored_outcome, time,
};
use crate::id::{MessageTag, Seq};
use crate::message::TraceContext;
use crate::storage::{Accepted, Batch, DeadWrite, RequestRow, RetentionClass, StorageError};

/// A request with every column set.
fn full_request(seq: u64) -> RequestRow {
    let mut row = keyed(request_to(seq, "sender-17"), "payment-7");
    row.class = RetentionClass::Derived;
    row.headers.set_inherited("tenant", "blue");
    row.headers.set("quote\"and\nline", "emoji 🦀");
    row.trace = Some(TraceContext { trace_id: u128::MAX - 1, span_id: u64::MAX - 2, flags: 1 });
    row.outer = Some(request_id(3));
    row.message = MessageTag::new(u64::MAX);
    row.arguments = Bytes::from((0..=255).collect::<Vec<u8>>());
    keyed(row, "payment-7")
}

// proves: B102
pub(super) async fn a_request_reads_back_as_it_was_accepted<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    let mut full = full_request(5);
    full.due_at = Some(time(-1_000_000_000_000));
    let mut empty = request(6);
    empty.arguments = Bytes::new();
    runner.accept(vec![full.clone(), empty.clone()]).await;

    let pending = runner.waiting().await;
    assert_eq!(pending.len(), 2);
    assert_same_row(&pending[0].request, &full);
    assert_same_row(&pending[1].request, &empty);
    assert_eq!((pending[0].attempts, pending[0].due_at), (0, full.due_at));
    assert_same_row(&runner.find(full.id).await.unwrap().request, &full);
    assert_same_row(&runner.find(empty.id).await.unwrap().request, &empty);
    assert!(runner.find(request_id(999)).await.is_none());
}

// proves: B103
pub(super) async fn accepting_an_id_again_changes_nothing<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    let first = keyed(request(5), "k");
    runner.accept(vec![first.clone()]).await;

    let again = RequestRow { seq: Seq::new(6), accepted_at: time(9), ..first.clone() };
    let accepted = runner.accept_one(again.clone()).await;
    assert!(matches!(accepted, Accepted::SameId(_)), "{accepted:?}");
    let found = known(accepted);
    assert_eq!((found.seq, found.id), (first.seq, first.id));
    assert_eq!(found.arguments, first.arguments);
    assert_eq!((found.outcome, found.dead), (None, false));

    runner.finish([5]).await;
    let found = known(runner.accept_one(again).await);
    assert_eq!(found.outcome, Some(stored_outcome(5)));
    assert_same_row(&runner.find(first.id).await.unwrap().request, &first);
    assert_eq!(runner.pending_seqs().await, Vec::<u64>::new());
}

// proves: B103
pub(super) async fn a_request_is_found_by_its_key<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    let first = keyed(request(5), "payment-7");
    let digest = |row: &RequestRow| row.key.as_ref().unwrap().digest;
    let (here, none) = (digest(&first), digest(&keyed(request(6), "payment-8")));
    runner.accept(vec![first.clone()]).await;
    runner.finish([5]).await;
    let found = runner.storage.find_keys(vec![none, here, here]).await.unwrap();
    assert!(found[0].is_none());
    for found in &found[1..] {
        let found = found.as_ref().unwrap();
        assert_same_row(&found.request, &first);
        assert_eq!((&found.outcome, found.dead), (&Some(stored_outcome(5)), false));
    }
    assert!(runner.storage.find_keys(Vec::new()).await.unwrap().is_empty());
}

// proves: B103
pub(super) async fn a_known_key_tells_the_first_request_and_its_outcome<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    let first = keyed(request(5), "payment-7");
    runner.accept(vec![first.clone(), keyed(request(6), "payment-8")]).await;

    let mut other_arguments = keyed(request(7), "payment-7");
    other_arguments.arguments = Bytes::from_static(b"other");
    let accepted = runner.accept_one(other_arguments.clone()).await;
    assert!(matches!(accepted, Accepted::SameKey(_)), "{accepted:?}");
    let found = known(accepted);
    assert_eq!((found.seq, found.id), (first.seq, first.id));
    assert_eq!(found.arguments, first.arguments, "the caller of the storage compares them");
    assert_eq!((found.outcome, found.dead), (None, false));
    assert!(runner.find(request_id(7)).await.is_none());

    runner.finish([5]).await;
    let found = known(runner.accept_one(other_arguments).await);
    assert_eq!((found.id, found.outcome), (first.id, Some(stored_outcome(5))));

    let dead = DeadWrite {
        seq: Seq::new(6),
        shard: first.shard,
        epoch: first.epoch,
        attempts: 10,
        error: "panicked".to_owned(),
        died_at: time(1),
    };
    runner.commit(Batch { dead: vec![dead], ..Batch::default() }).await.unwrap();
    let found = known(runner.accept_one(keyed(request(8), "payment-8")).await);
    assert_eq!((found.seq, found.outcome, found.dead), (Seq::new(6), None, true));
    assert_eq!(runner.pending_seqs().await, Vec::<u64>::new());
}

// proves: B103
pub(super) async fn a_key_is_scoped_by_type_id_and_message<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    let mut other_type = request_to(2, "a");
    other_type.entity_type = "Order".into();
    let mut other_message = request_to(4, "a");
    other_message.message = MessageTag::of("deposit");
    let rows = vec![request_to(1, "a"), other_type, request_to(3, "b"), other_message];
    runner.accept(rows.into_iter().map(|row| keyed(row, "same")).collect()).await;
    assert_eq!(runner.pending_seqs().await, [1, 2, 3, 4]);
}

// proves: B104
pub(super) async fn an_id_of_another_request_is_a_collision<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    let first = keyed(request(5), "k");
    runner.accept(vec![first.clone()]).await;

    let stolen = RequestRow { seq: Seq::new(6), ..first.clone() };
    let mut other_entity = stolen.clone();
    other_entity.entity_id = "other".into();
    let mut other_type = stolen.clone();
    other_type.entity_type = "Order".into();
    let mut other_message = stolen.clone();
    other_message.message = MessageTag::of("deposit");
    let mut other_arguments = stolen.clone();
    other_arguments.arguments = Bytes::from_static(b"other");
    let other_key = keyed(stolen, "k2");
    for row in [other_entity, other_type, other_message, other_arguments, other_key] {
        let accepted = runner.accept_one(row.clone()).await;
        assert!(matches!(accepted, Accepted::IdCollision), "{accepted:?} for {row:?}");
    }
    assert_eq!(runner.pending_seqs().await, [5]);
    assert_same_row(&runner.find(first.id).await.unwrap().request, &first);
}

// proves: B103, B104
pub(super) async fn duplicates_within_one_batch_are_found<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    let first = keyed(request(1), "k");
    let same_id = RequestRow { seq: Seq::new(2), ..first.clone() };
    let same_key = keyed(request(3), "k");
    let collision = RequestRow { id: first.id, ..request(4) };
    let batch = accepts(vec![first.clone(), same_id, same_key, collision]);

    for _ in 0..2 {
        let accepted = runner.commit(batch.clone()).await.unwrap().accepts;
        assert!(matches!(accepted[0], Accepted::New), "{accepted:?}");
        assert!(
            matches!(&accepted[1], Accepted::SameId(known) if known.seq == first.seq),
            "{accepted:?}"
        );
        assert!(
            matches!(&accepted[2], Accepted::SameKey(known) if known.seq == first.seq),
            "{accepted:?}"
        );
        assert!(matches!(accepted[3], Accepted::IdCollision), "{accepted:?}");
    }
    assert_eq!(runner.pending_seqs().await, [1]);
}

// proves: B103, B104
pub(super) async fn a_duplicate_keeps_nothing_else_of_its_batch_back<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept(vec![request(1), keyed(request(2), "k")]).await;

    let collision = RequestRow { id: request_id(1), ..request(4) };
    let batch = Batch {
        accepts: vec![request(3), collision, keyed(request(5), "k"), request(6)],
        outcomes: vec![outcome(1)],
        ..Batch::default()
    };
    let accepted = runner.commit(batch).await.unwrap().accepts;
    assert!(matches!(accepted[0], Accepted::New), "{accepted:?}");
    assert!(matches!(accepted[1], Accepted::IdCollision), "{accepted:?}");
    assert!(matches!(accepted[2], Accepted::SameKey(_)), "{accepted:?}");
    assert!(matches!(accepted[3], Accepted::New), "{accepted:?}");
    assert_eq!(runner.pending_seqs().await, [2, 3, 6]);
}

// proves: B104
pub(super) async fn a_seq_is_given_once<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept(vec![request(1)]).await;
    let other = RequestRow { id: request_id(77), ..request(1) };
    let refused = runner.commit(accepts(vec![request(2), other])).await;
    assert!(matches!(refused, Err(StorageError::Corrupt { table: "request", .. })), "{refused:?}");
    assert_eq!(runner.pending_seqs().await, [1], "nothing of the batch is written");
}
