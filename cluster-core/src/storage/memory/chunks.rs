//! Chunks of streams in the reference storage.

use super::store::Store;
use crate::id::Seq;
use crate::storage::chunks::{ChunkRow, ChunkScan, ChunkWrite, ChunksRead};

impl Store {
    pub(super) fn write_chunk(&mut self, write: &ChunkWrite) {
        let request = self.requests.get(&write.seq);
        let waits = request.is_some_and(|found| found.place.attempts().is_some());
        let last = self.last_chunk(write.seq).map_or(0, |row| row.number);
        if waits && write.number > last {
            let row =
                ChunkRow { number: write.number, read: false, payload: write.payload.clone() };
            self.chunks.insert((write.seq, write.number), row);
        }
    }

    pub(super) fn remove_read(&mut self, read: &ChunksRead) {
        let numbers = (read.seq, 0)..=(read.seq, read.upto);
        let found: Vec<u64> = self.chunks.range(numbers).map(|((_, number), _)| *number).collect();
        let Some((last, others)) = found.split_last() else { return };
        for number in others {
            self.chunks.remove(&(read.seq, *number));
        }
        if let Some(row) = self.chunks.get_mut(&(read.seq, *last)) {
            row.read = true;
        }
    }

    pub(super) fn remove_chunks(&mut self, seq: Seq) {
        let numbers = (seq, 0)..=(seq, u64::MAX);
        let found: Vec<_> = self.chunks.range(numbers).map(|(key, _)| *key).collect();
        for key in found {
            self.chunks.remove(&key);
        }
    }

    pub(super) fn load_chunks(&self, scan: &ChunkScan) -> Vec<ChunkRow> {
        let Some(first) = scan.after.checked_add(1) else { return Vec::new() };
        let (mut page, mut bytes) = (Vec::new(), 0);
        for row in self.chunks.range((scan.seq, first)..=(scan.seq, u64::MAX)).map(|(_, row)| row) {
            if page.len() >= scan.limit || bytes >= scan.bytes {
                break;
            }
            bytes += row.payload.len();
            page.push(row.clone());
        }
        page
    }

    fn last_chunk(&self, seq: Seq) -> Option<&ChunkRow> {
        self.chunks.range((seq, 0)..=(seq, u64::MAX)).next_back().map(|(_, row)| row)
    }
}
