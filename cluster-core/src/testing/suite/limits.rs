//! Sizes, and texts that databases like to mangle.

use bytes::Bytes;

use super::Backend;
use super::fixture::{
    Runner, accepts, keyed, known, outcome, request, request_id, request_to, state_key,
    state_write, stored_outcome,
};
use crate::id::{EntityId, Key, ShardCount, ShardId, TEXT_BYTES_MAX};
use crate::storage::{
    Accepted, Batch, OutcomeRow, PAYLOAD_BYTES_MAX_DEFAULT, PendingScan, RequestRow, ShapeRow,
    StateKey, StateWrite, StorageError, StoredOutcome,
};

/// Bytes of which no two neighbours and no two blocks are equal.
fn payload(bytes: usize) -> Bytes {
    (0..bytes).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

// proves: B106
pub(super) async fn payloads_up_to_the_limit_come_back_byte_for_byte<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    for (seq, bytes) in [(1, 0), (2, 1), (3, 70_000), (4, PAYLOAD_BYTES_MAX_DEFAULT)] {
        let payload = payload(bytes);
        let entity = format!("s{seq}");
        let row = RequestRow { arguments: payload.clone(), ..request(seq) };
        let state = StateWrite { payload: payload.clone(), ..state_write(&entity, 0, 1) };
        let batch = Batch { states: vec![state], ..accepts(vec![row]) };
        runner.commit(batch).await.unwrap();
        let content = StoredOutcome { payload: payload.clone(), ..stored_outcome(seq) };
        let row = OutcomeRow { outcome: content, ..outcome(seq) };
        runner.commit(Batch { outcomes: vec![row], ..Batch::default() }).await.unwrap();

        let found = runner.find(request_id(seq)).await.unwrap();
        assert!(found.request.arguments == payload, "arguments of {bytes} bytes");
        assert!(found.outcome.unwrap().payload == payload, "outcome of {bytes} bytes");
        assert!(runner.state(&entity).await.unwrap().payload == payload, "state of {bytes} bytes");
    }
}

// proves: B106, B107
pub(super) async fn what_is_too_large_is_refused_before_anything_is_written<B: Backend>(
    backend: B,
) {
    let runner = Runner::start(&backend).await;
    runner.accept(vec![request(1)]).await;
    let large = payload(PAYLOAD_BYTES_MAX_DEFAULT + 1);
    let long_id = EntityId::from("x".repeat(TEXT_BYTES_MAX + 1));
    let good = request(2);
    let arguments = RequestRow { arguments: large.clone(), ..request(3) };
    let id = RequestRow { entity_id: long_id.clone(), ..request(3) };
    let content = StoredOutcome { payload: large.clone(), ..stored_outcome(1) };
    let outcomes = vec![OutcomeRow { outcome: content, ..outcome(1) }];
    let state = StateWrite { payload: large.clone(), ..state_write("e", 0, 1) };
    let key = StateKey { entity_id: long_id, ..state_key("e") };
    let state_of_long_id = StateWrite { key, ..state_write("e", 0, 1) };
    let batches = [
        ("arguments", accepts(vec![good.clone(), arguments])),
        ("entity id", accepts(vec![good.clone(), id])),
        ("outcome", Batch { outcomes, ..accepts(vec![good.clone()]) }),
        ("state", Batch { states: vec![state], ..accepts(vec![good.clone()]) }),
        ("entity id", Batch { states: vec![state_of_long_id], ..accepts(vec![good]) }),
    ];
    for (part, batch) in batches {
        let refused = runner.commit(batch).await;
        let Err(StorageError::TooLarge { what, bytes, limit }) = refused else {
            panic!("{part} is refused, not {refused:?}");
        };
        assert_eq!((what, bytes), (part, limit + 1));
    }
    let shape = ShapeRow { fingerprint: 1, shape: large };
    let refused = runner.storage.store_shapes(vec![shape]).await;
    assert!(matches!(refused, Err(StorageError::TooLarge { what: "shape", .. })), "{refused:?}");
    assert_eq!(runner.pending_seqs().await, [1]);
    assert_eq!(runner.find(request_id(1)).await.unwrap().outcome, None);
    assert!(runner.state("e").await.is_none());
    assert!(Key::new("x".repeat(TEXT_BYTES_MAX + 1)).is_err(), "no longer key can be made");
}

/// Texts that are easily taken for one another.
fn strange_texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "a", "A", "a ", " a", "a\0", "a\0b", "a\0c", "\0", "\0\0", "a/b", "a//b", "a'b", "a\"b",
        "a`b", "a;--", "a%", "a_", "a\\", "a\n", "ä", "a\u{308}", "Ä", "ß", "ss", "ＳＳ", "🦀",
        "🦀🦀", "\u{200b}", "é", "e\u{301}", "1", "01", "1.0", "NULL", "x'61'",
    ]
    .map(str::to_owned)
    .into();
    texts.extend([
        "x".repeat(TEXT_BYTES_MAX),
        "x".repeat(TEXT_BYTES_MAX - 1),
        "x".repeat(TEXT_BYTES_MAX - 1) + " ",
        "🦀".repeat(TEXT_BYTES_MAX / 4),
        "\0".repeat(TEXT_BYTES_MAX),
    ]);
    texts
}

// proves: B107
pub(super) async fn strange_ids_and_keys_stay_distinct<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    let texts = strange_texts();
    let named = || (1..).zip(&texts);
    let ids: Vec<RequestRow> = named().map(|(seq, text)| request_to(seq, text)).collect();
    let keys = named().map(|(seq, text)| keyed(request(1_000 + seq), text)).collect();
    let writes = texts.iter().map(|text| state_write(text, 0, 1)).collect();
    runner.commit(Batch { states: writes, ..accepts(ids) }).await.unwrap();
    runner.accept(keys).await;

    for (seq, text) in named() {
        assert_eq!(runner.state(text).await.unwrap().payload, format!("{text} at 1"));
        let shard = ShardId::of(&text.as_str().into(), ShardCount::default());
        let entity = StateKey { shard, ..state_key(text) };
        let scan =
            PendingScan { after: seq_zero(), entity: Some(entity), limit: 9, bytes: usize::MAX };
        let found = runner.storage.load_pending(runner.fence, scan).await.unwrap();
        let found: Vec<&RequestRow> = found.iter().map(|found| &found.request).collect();
        assert_eq!(found.len(), 1, "one request for {text:?}");
        assert_eq!((found[0].seq.as_u64(), found[0].entity_id.as_str()), (seq, text.as_str()));

        let accepted = runner.accept_one(keyed(request(9_000 + seq), text)).await;
        assert!(matches!(accepted, Accepted::SameKey(_)), "{accepted:?} for {text:?}");
        assert_eq!(known(accepted).seq.as_u64(), 1_000 + seq, "the key {text:?}");
    }
}

fn seq_zero() -> crate::id::Seq {
    crate::id::Seq::new(0)
}
