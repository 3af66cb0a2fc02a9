//! Chunks of streams.

use cluster_core::storage::{Batch, ChunkRow, ChunkScan, StorageError};

use super::driver::Driver;
use super::session::Session;
use super::sql::Sql;
use super::value::{Columns, Reader, Value, integer};

/// Stores the chunks of a batch, and removes those that were read.
pub(super) async fn write_chunks<D: Driver>(
    driver: &mut D,
    batch: &Batch,
) -> Result<(), StorageError> {
    for write in &batch.chunks {
        let values = [
            write.seq.into(),
            integer(write.number).into(),
            write.shard.as_u32().into(),
            integer(write.epoch.as_u64()).into(),
            Value::Bytes(&write.payload),
        ];
        driver.execute(Sql::InsertChunk, &values).await?;
    }
    for read in &batch.chunks_read {
        let upto = [read.seq.into(), integer(read.upto).into()];
        let Some(last) = driver.first(Sql::LastRead, &upto, read_last).await?.flatten() else {
            continue;
        };
        let last = [read.seq.into(), last.into()];
        driver.execute(Sql::DeleteRead, &last).await?;
        driver.execute(Sql::MarkRead, &last).await?;
    }
    Ok(())
}

impl Session<'_> {
    pub(super) fn load_chunks(&mut self, scan: &ChunkScan) -> Result<Vec<ChunkRow>, StorageError> {
        let limit = i64::try_from(scan.limit).unwrap_or(i64::MAX);
        let after = i64::try_from(scan.after).unwrap_or(i64::MAX);
        let values = [scan.seq.into(), after.into(), limit.into()];
        let mut bytes = 0;
        self.all_until(Sql::LoadChunks, &values, read_chunk, |row| {
            bytes += row.payload.len();
            bytes >= scan.bytes
        })
    }
}

fn read_last(columns: &dyn Columns) -> Result<Option<i64>, StorageError> {
    Ok(Reader::new(columns, "chunk").integer_or_null(0))
}

fn read_chunk(columns: &dyn Columns) -> Result<ChunkRow, StorageError> {
    let read = Reader::new(columns, "chunk");
    Ok(ChunkRow { number: read.number(0)?, read: read.integer(1)? != 0, payload: read.payload(2)? })
}
