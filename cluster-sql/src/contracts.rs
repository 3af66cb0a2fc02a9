//! Shapes and names of messages.

use bytes::Bytes;
use cluster_core::id::MessageTag;
use cluster_core::storage::{ContractRow, ShapeRow, StorageError};

use super::driver::Driver;
use super::sql::Sql;
use super::value::{Columns, Reader, Value};

/// Stores shapes that are not stored yet.
pub(crate) async fn store_shapes<D: Driver>(
    driver: &mut D,
    shapes: &[ShapeRow],
) -> Result<(), StorageError> {
    for ShapeRow { fingerprint, shape } in shapes {
        let values = [fingerprint.cast_signed().into(), Value::Bytes(shape)];
        let inserted = driver.execute(Sql::InsertShape, &values).await? == 1;
        if !inserted && load_shape(driver, *fingerprint).await?.as_ref() != Some(shape) {
            return Err(StorageError::ShapeCollision { fingerprint: *fingerprint });
        }
    }
    Ok(())
}

/// The shape of a fingerprint.
pub(crate) async fn load_shape<D: Driver>(
    driver: &mut D,
    fingerprint: u64,
) -> Result<Option<Bytes>, StorageError> {
    let read = |row: &dyn Columns| Reader::new(row, "shape").payload(0);
    driver.first(Sql::Shape, &[fingerprint.cast_signed().into()], read).await
}

/// Stores or replaces what is known of messages.
pub(crate) async fn store_contracts<D: Driver>(
    driver: &mut D,
    rows: &[ContractRow],
) -> Result<(), StorageError> {
    for row in rows {
        let values = [
            Value::Bytes(row.entity_type.as_bytes()),
            Value::Bytes(row.name.as_bytes()),
            row.tag.as_u64().cast_signed().into(),
            row.arguments.cast_signed().into(),
            row.reply.cast_signed().into(),
            row.error.cast_signed().into(),
        ];
        driver.execute(Sql::SetContract, &values).await?;
    }
    Ok(())
}

/// Reads what is known of a message.
pub(crate) fn read_contract(columns: &dyn Columns) -> Result<ContractRow, StorageError> {
    let read = Reader::new(columns, "contract");
    Ok(ContractRow {
        entity_type: read.shared_text(0)?,
        name: read.shared_text(1)?,
        tag: MessageTag::new(read.integer(2)?.cast_unsigned()),
        arguments: read.integer(3)?.cast_unsigned(),
        reply: read.integer(4)?.cast_unsigned(),
        error: read.integer(5)?.cast_unsigned(),
    })
}
