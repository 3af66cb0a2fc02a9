//! What persisted streams store.

use bytes::Bytes;

use crate::id::{Epoch, Seq, ShardId};

/// A chunk of a request's stream.
#[derive(Debug, Clone)]
pub struct ChunkWrite {
    /// The request.
    pub seq: Seq,
    /// Its shard.
    pub shard: ShardId,
    /// The epoch under which it is written.
    pub epoch: Epoch,
    /// Its place in the stream; the first is 1.
    pub number: u64,
    /// The encoded chunk.
    pub payload: Bytes,
}

/// What the reader of a stream needs no more.
#[derive(Debug, Clone)]
pub struct ChunksRead {
    /// The request.
    pub seq: Seq,
    /// The last chunk that was read.
    pub upto: u64,
}

/// A stored chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkRow {
    /// Its place in the stream.
    pub number: u64,
    /// Whether it was read: it is kept for who goes on with the stream, until the next one is read.
    pub read: bool,
    /// The encoded chunk.
    pub payload: Bytes,
}

/// Which chunks of one stream to load.
#[derive(Debug, Clone)]
pub struct ChunkScan {
    /// The request.
    pub seq: Seq,
    /// Only those behind this one.
    pub after: u64,
    /// At most so many.
    pub limit: usize,
    /// And those that follow the one with which so many bytes are reached are left out.
    pub bytes: usize,
}
