//! Shapes and names of messages.

use bytes::Bytes;
use cluster_core::id::MessageTag;
use cluster_core::storage::{ContractRow, ShapeRow, StorageError};

use super::session::Session;
use super::sql::Sql;
use super::value::{Columns, Reader, Value};

impl Session<'_> {
    pub(super) fn store_shapes(&mut self, shapes: &[ShapeRow]) -> Result<(), StorageError> {
        for ShapeRow { fingerprint, shape } in shapes {
            let values = [fingerprint.cast_signed().into(), Value::Bytes(shape)];
            let inserted = self.execute(Sql::InsertShape, &values)? == 1;
            if !inserted && self.shape(*fingerprint)?.as_ref() != Some(shape) {
                return Err(StorageError::ShapeCollision { fingerprint: *fingerprint });
            }
        }
        Ok(())
    }

    pub(super) fn shape(&mut self, fingerprint: u64) -> Result<Option<Bytes>, StorageError> {
        let fingerprint = [fingerprint.cast_signed().into()];
        self.first(Sql::Shape, &fingerprint, |row| Reader::new(row, "shape").payload(0))
    }

    pub(super) fn store_contracts(&mut self, rows: &[ContractRow]) -> Result<(), StorageError> {
        for row in rows {
            let values = [
                Value::Bytes(row.entity_type.as_bytes()),
                Value::Bytes(row.name.as_bytes()),
                row.tag.as_u64().cast_signed().into(),
                row.arguments.cast_signed().into(),
                row.reply.cast_signed().into(),
                row.error.cast_signed().into(),
            ];
            self.execute(Sql::SetContract, &values)?;
        }
        Ok(())
    }

    pub(super) fn contracts(&mut self) -> Result<Vec<ContractRow>, StorageError> {
        self.all(Sql::Contracts, &[], read_contract)
    }
}

fn read_contract(columns: &dyn Columns) -> Result<ContractRow, StorageError> {
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
