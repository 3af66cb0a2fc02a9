//! Entities' states and their versions.

use bytes::Bytes;

use super::Backend;
use super::fixture::{Runner, outcome, request, request_id, state_key, state_write, states};
use crate::id::StateVersion;
use crate::storage::{Batch, StateWrite, StorageError};

// proves: B102
pub(super) async fn states_load_in_the_order_of_the_question<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    let writes = vec![state_write("a", 0, 1), state_write("b", 0, 5)];
    runner.commit(states(writes)).await.unwrap();

    let mut other_type = state_key("a");
    other_type.entity_type = "Order".into();
    let questions = vec![state_key("b"), state_key("missing"), other_type, state_key("a")];
    let found = runner.storage.load_states(questions).await.unwrap();
    let versions: Vec<Option<u64>> =
        found.iter().map(|row| row.as_ref().map(|row| row.version.as_u64())).collect();
    assert_eq!(versions, [Some(5), None, None, Some(1)]);
    assert_eq!(found[0].as_ref().unwrap().payload, "b at 5");
    assert!(runner.storage.load_states(Vec::new()).await.unwrap().is_empty());
}

// proves: B246
pub(super) async fn a_state_is_written_over_its_own_version_only<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    let first = state_write("a", 0, 3);
    runner.commit(states(vec![first.clone()])).await.unwrap();

    let other_payload =
        StateWrite { payload: Bytes::from_static(b"another"), ..state_write("a", 0, 3) };
    let wrong = [
        (state_write("a", 0, 4), 3),
        (state_write("a", 2, 4), 3),
        (state_write("a", 4, 5), 3),
        (other_payload, 3),
        (state_write("new", 1, 2), 0),
    ];
    for (write, stored) in wrong {
        let refused = runner.commit(states(vec![write.clone()])).await;
        let Err(StorageError::StateConflict { entity_type, entity_id, expected, found }) = refused
        else {
            panic!("a conflict, not {refused:?}");
        };
        assert_eq!((&entity_type, &entity_id), (&write.key.entity_type, &write.key.entity_id));
        assert_eq!((expected, found), (write.from, StateVersion::new(stored)));
    }
    let stored = runner.state("a").await.unwrap();
    assert_eq!((stored.version, stored.payload), (first.to, first.payload));
    assert!(runner.state("new").await.is_none());

    runner.commit(states(vec![state_write("a", 3, 9)])).await.unwrap();
    assert_eq!(runner.state("a").await.unwrap().payload, "a at 9");
}

// proves: B244, B246
pub(super) async fn a_conflict_writes_nothing_of_its_batch<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept(vec![request(1)]).await;
    // Built on version 1, whose commit failed.
    let batch = Batch {
        accepts: vec![request(2)],
        outcomes: vec![outcome(1)],
        states: vec![state_write("good", 0, 1), state_write("bad", 1, 2)],
        ..Batch::default()
    };
    let refused = runner.commit(batch).await;
    assert!(matches!(refused, Err(StorageError::StateConflict { .. })), "{refused:?}");
    assert_eq!(runner.pending_seqs().await, [1]);
    assert!(runner.find(request_id(2)).await.is_none());
    assert_eq!(runner.find(request_id(1)).await.unwrap().outcome, None);
    assert!(runner.state("good").await.is_none());
}
