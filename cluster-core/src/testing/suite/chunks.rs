//! Chunks of streams: stored in order, read page by page, removed when they were read.

use bytes::Bytes;

use super::Backend;
use super::fixture::{Runner, request};
use crate::id::{Epoch, Seq};
use crate::storage::{Batch, ChunkRow, ChunkScan, ChunkWrite, ChunksRead, RetireScan};
use crate::time::Timestamp;

pub(super) fn chunk(seq: u64, number: u64) -> ChunkWrite {
    let payload = Bytes::from(format!("chunk {number} of {seq}"));
    let shard = request(seq).shard;
    ChunkWrite { seq: Seq::new(seq), shard, epoch: Epoch::new(1), number, payload }
}

fn chunks(seq: u64, numbers: impl IntoIterator<Item = u64>) -> Batch {
    let chunks = numbers.into_iter().map(|number| chunk(seq, number)).collect();
    Batch { chunks, ..Batch::default() }
}

fn read(seq: u64, upto: u64) -> Batch {
    Batch { chunks_read: vec![ChunksRead { seq: Seq::new(seq), upto }], ..Batch::default() }
}

/// Everything of a stream.
pub(super) fn all(seq: u64) -> ChunkScan {
    ChunkScan { seq: Seq::new(seq), after: 0, limit: 1_000, bytes: usize::MAX }
}

pub(super) async fn stored(runner: &Runner, scan: ChunkScan) -> Vec<(u64, bool)> {
    let seq = scan.seq.as_u64();
    let rows = runner.storage.load_chunks(scan).await.unwrap();
    let told = |row: ChunkRow| {
        assert_eq!(row.payload, chunk(seq, row.number).payload);
        (row.number, row.read)
    };
    rows.into_iter().map(told).collect()
}

pub(super) async fn chunks_are_read_in_order_page_by_page<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept(vec![request(1), request(2)]).await;
    runner.commit(chunks(1, 1..=3)).await.unwrap();
    runner.commit(chunks(2, [1])).await.unwrap();
    runner.commit(chunks(1, 4..=12)).await.unwrap();
    let numbers: Vec<_> = (1..=12).map(|number| (number, false)).collect();
    assert_eq!(stored(&runner, all(1)).await, numbers);
    let page = ChunkScan { after: 3, limit: 4, ..all(1) };
    assert_eq!(stored(&runner, page).await, numbers[3..7]);
    // The one that reaches the bound is the last.
    let bytes = chunk(1, 1).payload.len() + 1;
    assert_eq!(stored(&runner, ChunkScan { bytes, ..all(1) }).await, numbers[..2]);
    assert_eq!(stored(&runner, ChunkScan { after: 12, ..all(1) }).await, []);
    assert_eq!(stored(&runner, ChunkScan { after: u64::MAX, ..all(1) }).await, []);
    assert_eq!(stored(&runner, all(2)).await, [(1, false)]);
}

pub(super) async fn what_was_read_goes_but_for_its_last<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept(vec![request(1), request(2)]).await;
    runner.commit(chunks(1, 1..=5)).await.unwrap();
    runner.commit(chunks(2, 1..=2)).await.unwrap();
    runner.commit(read(1, 3)).await.unwrap();
    assert_eq!(stored(&runner, all(1)).await, [(3, true), (4, false), (5, false)]);
    // An older word of the reader, and the same again, change nothing.
    runner.commit(read(1, 2)).await.unwrap();
    runner.commit(read(1, 3)).await.unwrap();
    assert_eq!(stored(&runner, all(1)).await, [(3, true), (4, false), (5, false)]);
    runner.commit(read(1, u64::MAX >> 1)).await.unwrap();
    assert_eq!(stored(&runner, all(1)).await, [(5, true)]);
    // Numbers that were given are not given again.
    runner.commit(chunks(1, 4..=6)).await.unwrap();
    assert_eq!(stored(&runner, all(1)).await, [(5, true), (6, false)]);
    assert_eq!(stored(&runner, all(2)).await, [(1, false), (2, false)]);
}

pub(super) async fn chunks_stay_with_their_request<B: Backend>(backend: B) {
    let runner = Runner::start(&backend).await;
    runner.accept(vec![request(1), request(2)]).await;
    // The last chunk comes with the end; written again, it is there once.
    for _ in 0..2 {
        let end = Batch { outcomes: vec![super::fixture::outcome(1)], ..chunks(1, 1..=2) };
        runner.commit(end).await.unwrap();
    }
    runner.commit(chunks(1, [3])).await.unwrap();
    runner.commit(chunks(7, [1])).await.unwrap();
    runner.commit(chunks(2, [1])).await.unwrap();
    assert_eq!(stored(&runner, all(1)).await, [(1, false), (2, false)]);
    assert_eq!(stored(&runner, all(7)).await, []);
    // What is finished is read on, and removed with its request.
    runner.commit(read(1, 1)).await.unwrap();
    assert_eq!(stored(&runner, all(1)).await, [(1, true), (2, false)]);
    let everything = RetireScan {
        finished_before: [Timestamp::from_unix_ms(i64::MAX); 4],
        after: Seq::new(0),
        limit: 10,
        reached: None,
    };
    runner.storage.retire(runner.fence, everything).await.unwrap();
    assert_eq!(stored(&runner, all(1)).await, []);
    assert_eq!(stored(&runner, all(2)).await, [(1, false)]);
}
