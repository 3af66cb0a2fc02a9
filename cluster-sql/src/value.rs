//! What goes into statements and comes out of rows, whichever driver runs them.

use bytes::Bytes;
use cluster_core::id::{EntityId, RequestId, Seq};
use cluster_core::storage::StorageError;
use cluster_core::time::Timestamp;
use std::sync::Arc;

/// A parameter of a statement.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value<'a> {
    Null,
    Integer(i64),
    Bytes(&'a [u8]),
    /// Names and numbers of ours, and JSON: no NUL is in it.
    Text(&'a str),
    /// Whatever a program says: on a server its column is one of bytes.
    Words(&'a str),
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Value::Integer(number)
    }
}

impl From<u8> for Value<'_> {
    fn from(number: u8) -> Self {
        Value::Integer(number.into())
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Value::Integer(number.into())
    }
}

impl From<Seq> for Value<'_> {
    fn from(seq: Seq) -> Self {
        Value::Integer(integer(seq.as_u64()))
    }
}

impl From<Timestamp> for Value<'_> {
    fn from(time: Timestamp) -> Self {
        Value::Integer(time.unix_ms())
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Value::Bytes(bytes)
    }
}

impl<'a> From<&'a EntityId> for Value<'a> {
    fn from(id: &'a EntityId) -> Self {
        Value::Bytes(id.as_str().as_bytes())
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

/// A number that only grows by ones, or a `seq`: it ends at the largest signed number, which none
/// of them reaches.
pub(crate) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number of rows or bytes.
pub(crate) fn limit(many: usize) -> Value<'static> {
    Value::Integer(i64::try_from(many).unwrap_or(i64::MAX))
}

/// The columns of a row, by their place.
pub(crate) trait Columns {
    /// A number, or `None` for NULL.
    fn integer(&self, at: usize) -> Option<i64>;

    /// The bytes of a blob or text, or `None` for NULL.
    fn bytes(&self, at: usize) -> Option<&[u8]>;
}

/// Reads the columns of one table, whose name goes into the errors.
pub(crate) struct Reader<'a> {
    columns: &'a dyn Columns,
    table: &'static str,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(columns: &'a dyn Columns, table: &'static str) -> Self {
        Reader { columns, table }
    }

    pub(crate) fn corrupt(&self, reason: impl Into<String>) -> StorageError {
        StorageError::Corrupt { table: self.table, reason: reason.into() }
    }

    fn missing(&self, at: usize) -> StorageError {
        self.corrupt(format!("column {at} has no value of its type"))
    }

    pub(crate) fn integer(&self, at: usize) -> Result<i64, StorageError> {
        self.columns.integer(at).ok_or_else(|| self.missing(at))
    }

    pub(crate) fn integer_or_null(&self, at: usize) -> Option<i64> {
        self.columns.integer(at)
    }

    /// A number of a type that is narrower than the column.
    pub(crate) fn number<T: TryFrom<i64>>(&self, at: usize) -> Result<T, StorageError> {
        let number = self.integer(at)?;
        T::try_from(number).map_err(|_| self.corrupt(format!("column {at} holds {number}")))
    }

    pub(crate) fn seq(&self, at: usize) -> Result<Seq, StorageError> {
        self.number(at).map(Seq::new)
    }

    pub(crate) fn time(&self, at: usize) -> Result<Timestamp, StorageError> {
        self.integer(at).map(Timestamp::from_unix_ms)
    }

    pub(crate) fn bytes_or_null(&self, at: usize) -> Option<&'a [u8]> {
        self.columns.bytes(at)
    }

    pub(crate) fn bytes(&self, at: usize) -> Result<&'a [u8], StorageError> {
        self.columns.bytes(at).ok_or_else(|| self.missing(at))
    }

    pub(crate) fn payload(&self, at: usize) -> Result<Bytes, StorageError> {
        self.bytes(at).map(Bytes::copy_from_slice)
    }

    pub(crate) fn text(&self, at: usize) -> Result<&'a str, StorageError> {
        let text = std::str::from_utf8(self.bytes(at)?);
        text.map_err(|_| self.corrupt(format!("column {at} is not UTF-8")))
    }

    pub(crate) fn shared_text(&self, at: usize) -> Result<Arc<str>, StorageError> {
        self.text(at).map(Arc::from)
    }

    pub(crate) fn request_id(&self, at: usize) -> Result<RequestId, StorageError> {
        self.array(at).map(RequestId::from_bytes)
    }

    /// Bytes of a fixed length.
    pub(crate) fn array<const N: usize>(&self, at: usize) -> Result<[u8; N], StorageError> {
        let bytes = self.bytes(at)?;
        bytes.try_into().map_err(|_| self.corrupt(format!("column {at} has not {N} bytes")))
    }
}
