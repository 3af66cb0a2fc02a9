//! Keys that count up stand beside each other in the index, where those who write at the same time
//! meet: they wait for each other there, and the server may end one of them for a deadlock.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster_core::id::{Key, KeyDigest, Seq, ShardId};
use cluster_core::storage::{
    Accepted, Batch, Fence, KeyRow, MessageStorage, RequestRow, StorageError, TransactionStorage,
};

use crate::support::{Connected, TestDatabase, join, request};

/// Who write at the same time: every second one upwards as the committer does, the others downwards
/// in handlers' own transactions.
const WRITERS: u64 = 8;
/// Batches of each.
const ROUNDS: u64 = 5;
/// Rows of each batch.
const ROWS: u64 = 40;
/// How often a batch is written that the server ends for the others' sake.
const ATTEMPTS_MAX: u32 = 20;

fn is_committer(writer: u64) -> bool {
    writer.is_multiple_of(2)
}

/// One of the requests that a writer accepts, all of one entity.
fn keyed(seq: u64, number: u64) -> RequestRow {
    let row = RequestRow { entity_id: "e".into(), shard: ShardId::new(1), ..request(seq) };
    let key = Key::new(number.to_string()).unwrap();
    let digest = KeyDigest::of(&row.entity_type, &row.entity_id, row.message, &key);
    RequestRow { key: Some(KeyRow { digest, key }), ..row }
}

/// The rows of a batch: their keys are between those of the others, and so many have the same ones.
fn rows(writer: u64, round: u64, same: u64) -> Vec<RequestRow> {
    let first_seq = 1 + (round * WRITERS + writer) * ROWS;
    let number = |row: u64| {
        let row = if is_committer(writer) { row } else { ROWS - 1 - row };
        1_000_000 + ((round * ROWS + row) * WRITERS + writer) / same
    };
    (0..ROWS).map(|row| keyed(first_seq + row, number(row))).collect()
}

/// Writes a batch as its writer does: what was ended for the others' sake is written again.
async fn write(
    storage: &Connected,
    fence: Fence,
    writer: u64,
    rows: Vec<RequestRow>,
) -> Vec<Accepted> {
    let batch = Arc::new(Batch { accepts: rows, ..Batch::default() });
    let is_committer = is_committer(writer);
    for _ in 0..ATTEMPTS_MAX {
        let written = if is_committer {
            storage.commit(fence, batch.clone()).await
        } else {
            storage.begin().await.unwrap().commit(fence, batch.clone()).await
        };
        match written {
            Err(StorageError::Unavailable { .. }) if is_committer => {}
            Err(StorageError::Interrupted { .. }) if !is_committer => {}
            written => return written.unwrap().accepts,
        }
    }
    panic!("the others were in the way of {writer} too often");
}

/// What each writer was told of its requests, where so many have the same keys.
async fn write_all(backend: &TestDatabase, same: u64) -> Vec<(RequestRow, Accepted)> {
    let storage = backend.options().connections(WRITERS as usize + 2).connect().await.unwrap();
    let fence = join(&storage).await;
    let writer = |writer| {
        let storage = storage.clone();
        tokio::spawn(async move {
            let mut told = Vec::new();
            for round in 0..ROUNDS {
                let rows = rows(writer, round, same);
                let accepted = write(&storage, fence, writer, rows.clone()).await;
                told.extend(rows.into_iter().zip(accepted));
            }
            told
        })
    };
    let writers: Vec<_> = (0..WRITERS).map(writer).collect();
    let mut told = Vec::new();
    for writer in writers {
        told.extend(writer.await.unwrap());
    }
    told
}

/// Requests of different keys that are written beside each other at the same time are all accepted.
// proves: B33
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn different_keys_beside_each_other_are_all_accepted() {
    let Some(backend) = TestDatabase::make().await else { return };
    for (row, accepted) in write_all(&backend, 1).await {
        assert!(matches!(accepted, Accepted::New), "{row:?}: {accepted:?}");
    }
}

/// Of two requests of one key that are written at the same time, in opposite orders, one is
/// accepted and the other one told of it.
// proves: B103
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_two_write_at_once_are_accepted_once() {
    let Some(backend) = TestDatabase::make().await else { return };
    let told = write_all(&backend, 2).await;
    let key = |row: &RequestRow| row.key.clone().unwrap().key;
    let new = told.iter().filter(|(_, accepted)| matches!(accepted, Accepted::New));
    let new: BTreeMap<Key, Seq> = new.map(|(row, _)| (key(row), row.seq)).collect();
    assert_eq!(new.len() as u64, WRITERS / 2 * ROUNDS * ROWS);
    let known = told.iter().filter_map(|(row, accepted)| match accepted {
        Accepted::SameKey(known) => Some((key(row), known.seq)),
        _ => None,
    });
    let known: BTreeMap<Key, Seq> = known.collect();
    assert_eq!(known, new);
}
