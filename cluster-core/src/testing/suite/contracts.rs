//! Shapes and names of messages.

use bytes::Bytes;

use super::Backend;
use super::fixture::PREFIX;
use crate::id::MessageTag;
use crate::storage::{ContractRow, ShapeRow, StorageError};

fn shape(fingerprint: u64, shape: &'static [u8]) -> ShapeRow {
    ShapeRow { fingerprint, shape: Bytes::from_static(shape) }
}

fn contract(entity_type: &str, name: &str, arguments: u64) -> ContractRow {
    ContractRow {
        entity_type: entity_type.into(),
        tag: MessageTag::of(name),
        name: name.into(),
        arguments,
        reply: u64::MAX,
        error: 0,
    }
}

// proves: B102
pub(super) async fn a_shape_is_stored_once_and_never_changes<B: Backend>(backend: B) {
    let storage = backend.open(PREFIX).await;
    let shapes = vec![shape(1, b"one"), shape(u64::MAX, b"\0\xff"), shape(1, b"one")];
    storage.store_shapes(shapes.clone()).await.unwrap();
    storage.store_shapes(shapes).await.unwrap();

    let refused = storage.store_shapes(vec![shape(5, b"five"), shape(1, b"other")]).await;
    assert!(matches!(refused, Err(StorageError::ShapeCollision { fingerprint: 1 })), "{refused:?}");
    let refused = storage.store_shapes(vec![shape(6, b"six"), shape(6, b"other")]).await;
    assert!(matches!(refused, Err(StorageError::ShapeCollision { fingerprint: 6 })), "{refused:?}");
    assert_eq!(storage.load_shape(1).await.unwrap(), Some(shape(1, b"one")));
    assert_eq!(storage.load_shape(u64::MAX).await.unwrap(), Some(shape(u64::MAX, b"\0\xff")));
    assert_eq!(storage.load_shape(5).await.unwrap(), None, "nothing beside a collision");
    assert_eq!(storage.load_shape(6).await.unwrap(), None, "nothing beside a collision");
}

// proves: B102
pub(super) async fn contracts_are_replaced_and_listed_in_order<B: Backend>(backend: B) {
    let storage = backend.open(PREFIX).await;
    let rows = vec![
        contract("b", "withdraw", 1),
        contract("B", "withdraw", 2),
        contract("b", "", 3),
        contract("b", "Withdraw", u64::MAX),
        contract("b\0", "withdraw", 5),
    ];
    storage.store_contracts(rows.clone()).await.unwrap();
    let replaced = ContractRow { tag: MessageTag::new(9), ..contract("b", "withdraw", 7) };
    storage.store_contracts(vec![replaced.clone()]).await.unwrap();

    let expected = [rows[1].clone(), rows[2].clone(), rows[3].clone(), replaced, rows[4].clone()];
    assert_eq!(storage.load_contracts().await.unwrap(), expected);
}
