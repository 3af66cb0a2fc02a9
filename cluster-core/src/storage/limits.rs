//! How large a row may be.

use super::StorageError;
use super::batch::Batch;
use super::rows::{RequestRow, ShapeRow};
use crate::id::TEXT_BYTES_MAX;
use crate::message::HEADERS_BYTES_MAX;

/// The default of [`RowLimits::payload_bytes_max`]: 4 MiB, the default limit of a call's payload,
/// plus 64 KiB for what stands around it.
pub const PAYLOAD_BYTES_MAX_DEFAULT: usize = (4 << 20) + (64 << 10);

/// What a storage refuses as too large, before anything reaches the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RowLimits {
    /// The most bytes of arguments, of an outcome, of a state, of a chunk, of a shape, and of an
    /// error's text.
    pub payload_bytes_max: usize,
}

impl Default for RowLimits {
    fn default() -> Self {
        RowLimits { payload_bytes_max: PAYLOAD_BYTES_MAX_DEFAULT }
    }
}

impl RowLimits {
    /// Limits with the given most bytes of a payload.
    pub const fn of_payload(bytes: usize) -> Self {
        RowLimits { payload_bytes_max: bytes }
    }

    /// Checks every row of a batch.
    ///
    /// # Errors
    /// [`StorageError::TooLarge`] names the first part that is too large.
    pub fn check(&self, batch: &Batch) -> Result<(), StorageError> {
        let payload = self.payload_bytes_max;
        batch.accepts.iter().try_for_each(|row| self.check_request(row))?;
        for row in &batch.outcomes {
            at_most(payload, "outcome", row.outcome.payload.len())?;
        }
        for row in &batch.states {
            at_most(payload, "state", row.payload.len())?;
            at_most(TEXT_BYTES_MAX, "entity type", row.key.entity_type.len())?;
            at_most(TEXT_BYTES_MAX, "entity id", row.key.entity_id.as_str().len())?;
        }
        for row in &batch.attempts {
            at_most(payload, "error text", row.error.len())?;
        }
        for row in &batch.chunks {
            at_most(payload, "chunk", row.payload.len())?;
        }
        for row in &batch.dead {
            at_most(payload, "error text", row.error.len())?;
        }
        for entry in &batch.journal {
            at_most(payload, "journal entry", entry.payload.len())?;
            at_most(TEXT_BYTES_MAX, "name in a journal", entry.name.len())?;
        }
        for row in &batch.deferreds {
            at_most(payload, "completion of a deferred", row.payload.len())?;
            at_most(TEXT_BYTES_MAX, "name of a deferred", row.deferred.name.len())?;
        }
        for row in &batch.holds {
            at_most(payload, "error text", row.missing.as_parts().1.len())?;
        }
        Ok(())
    }

    /// Checks a shape.
    ///
    /// # Errors
    /// [`StorageError::TooLarge`].
    pub fn check_shape(&self, shape: &ShapeRow) -> Result<(), StorageError> {
        at_most(self.payload_bytes_max, "shape", shape.shape.len())
    }

    fn check_request(&self, row: &RequestRow) -> Result<(), StorageError> {
        at_most(self.payload_bytes_max, "arguments", row.arguments.len())?;
        at_most(TEXT_BYTES_MAX, "entity type", row.entity_type.len())?;
        at_most(TEXT_BYTES_MAX, "entity id", row.entity_id.as_str().len())?;
        at_most(HEADERS_BYTES_MAX, "headers", row.headers.bytes())
    }
}

fn at_most(limit: usize, what: &'static str, bytes: usize) -> Result<(), StorageError> {
    if bytes > limit { Err(StorageError::TooLarge { what, bytes, limit }) } else { Ok(()) }
}
