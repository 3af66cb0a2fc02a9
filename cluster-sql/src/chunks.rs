//! Chunks of streams.

use cluster_core::storage::{Batch, ChunkRow, StorageError};

use super::driver::Driver;
use super::sql::Sql;
use super::value::{Columns, Reader, Value, integer};

/// Stores the chunks of a batch, and removes those that were read.
pub(crate) async fn write_chunks<D: Driver>(
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

fn read_last(columns: &dyn Columns) -> Result<Option<i64>, StorageError> {
    Ok(Reader::new(columns, "chunk").integer_or_null(0))
}

pub(crate) fn read_chunk(columns: &dyn Columns) -> Result<ChunkRow, StorageError> {
    let read = Reader::new(columns, "chunk");
    Ok(ChunkRow { number: read.number(0)?, read: read.integer(1)? != 0, payload: read.payload(2)? })
}
