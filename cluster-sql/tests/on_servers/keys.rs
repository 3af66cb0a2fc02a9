//! Keys that count up stand beside each other in the index, where those who write at the same time
//! meet: they wait for each other there, and the server may end one of them for a deadlock.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster_core::id::{Key, KeyDigest, Seq, ShardId};
use cluster_core::storage::{
    Accepted, Batch, Fence, KeyRow, MessageStorage, RequestRow, StorageError, TransactionStorage,
};

use crate::support::{Connected, TestDatabase, join, request};

/// Who write at the same time. Each key is of two: one writes them upwards as the committer does,
/// one downwards in handlers' own transactions.
const WRITERS: u64 = 8;
/// Batches of each.
const ROUNDS: u64 = 10;
/// Rows of each batch.
const ROWS: u64 = 40;

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

/// The rows of a batch: their keys are between those of the others.
fn rows(writer: u64, round: u64) -> Vec<RequestRow> {
    let first_seq = 1 + (round * WRITERS + writer) * ROWS;
    let number = |row: u64| {
        let row = if is_committer(writer) { row } else { ROWS - 1 - row };
        1_000_000 + (round * ROWS + row) * WRITERS / 2 + writer / 2
    };
    (0..ROWS).map(|row| keyed(first_seq + row, number(row))).collect()
}

/// Writes a batch as its writer does: what was ended for the others' sake is written again.
async fn write(storage: &Connected, fence: Fence, writer: u64, round: u64) -> Vec<Accepted> {
    let batch = Arc::new(Batch { accepts: rows(writer, round), ..Batch::default() });
    let is_committer = is_committer(writer);
    loop {
        let written = if is_committer {
            storage.commit(fence, batch.clone()).await
        } else {
            storage.begin().await.unwrap().commit(fence, batch.clone()).await
        };
        match written {
            Err(StorageError::Unavailable { .. }) if is_committer => {}
            Err(StorageError::Interrupted { .. }) if !is_committer => {}
            written => break written.unwrap().accepts,
        }
    }
}

/// Of two requests of one key that are written at the same time, one is accepted and the other one
/// told of it, however many others write beside them.
// proves: B33
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_many_write_beside_each_other_are_accepted_once() {
    let Some(backend) = TestDatabase::make().await else { return };
    let storage = backend.options().connections(WRITERS as usize + 2).connect().await.unwrap();
    let fence = join(&storage).await;
    let writer = |writer| {
        let storage = storage.clone();
        tokio::spawn(async move {
            let mut told = Vec::new();
            for round in 0..ROUNDS {
                let accepted = write(&storage, fence, writer, round).await;
                told.extend(rows(writer, round).into_iter().zip(accepted));
            }
            told
        })
    };
    let writers: Vec<_> = (0..WRITERS).map(writer).collect();
    let mut told = Vec::new();
    for writer in writers {
        told.extend(writer.await.unwrap());
    }
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
