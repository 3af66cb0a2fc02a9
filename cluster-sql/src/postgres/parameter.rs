//! Values as PostgreSQL's binary parameters and results.

use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgRow, PgTypeInfo};
use sqlx::{Postgres, Row, Type, ValueRef};

use crate::value::{Columns, Value};

/// A value whose type is that of the column it goes to.
pub(super) struct Parameter<'a>(pub(super) Value<'a>);

impl Type<Postgres> for Parameter<'_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(0))
    }
}

impl Encode<'_, Postgres> for Parameter<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        match self.0 {
            Value::Null => return Ok(IsNull::Yes),
            Value::Integer(number) => buffer.extend_from_slice(&number.to_be_bytes()),
            Value::Bytes(bytes) => buffer.extend_from_slice(bytes),
            Value::Text(text) | Value::Words(text) => buffer.extend_from_slice(text.as_bytes()),
        }
        Ok(IsNull::No)
    }
}

/// What the values of an array are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    Integer,
    Bytes,
    Text,
}

impl Element {
    /// The server's number of the type.
    const fn oid(self) -> u32 {
        match self {
            Element::Integer => 20,
            Element::Bytes => 17,
            Element::Text => 25,
        }
    }

    /// The server's number of the type of its arrays.
    const fn array_oid(self) -> u32 {
        match self {
            Element::Integer => 1016,
            Element::Bytes => 1001,
            Element::Text => 1009,
        }
    }

    /// The name of the type of its arrays.
    pub(super) const fn array_type(self) -> &'static str {
        match self {
            Element::Integer => "bigint[]",
            Element::Bytes => "bytea[]",
            Element::Text => "text[]",
        }
    }
}

/// One column of many rows.
pub(super) struct Array<'a> {
    pub(super) element: Element,
    pub(super) values: Vec<Value<'a>>,
}

impl<'a> Array<'a> {
    /// The columns of rows.
    pub(super) fn columns<const N: usize>(
        elements: [Element; N],
        rows: impl ExactSizeIterator<Item = [Value<'a>; N]>,
    ) -> [Array<'a>; N] {
        let mut columns =
            elements.map(|element| Array { element, values: Vec::with_capacity(rows.len()) });
        for row in rows {
            for (column, value) in columns.iter_mut().zip(row) {
                column.values.push(value);
            }
        }
        columns
    }

    pub(super) fn integers(values: impl IntoIterator<Item = i64>) -> Self {
        let values = values.into_iter().map(Value::Integer).collect();
        Array { element: Element::Integer, values }
    }

    pub(super) fn bytes(values: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let values = values.into_iter().map(Value::Bytes).collect();
        Array { element: Element::Bytes, values }
    }
}

impl Type<Postgres> for Array<'_> {
    /// Each says its own: see [`Encode::produces`].
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(0))
    }
}

impl Encode<'_, Postgres> for Array<'_> {
    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::with_oid(Oid(self.element.array_oid())))
    }

    /// The format is that of the server's `array_recv`: dimensions, whether there are NULLs, type,
    /// length, lower bound, then each value after its length.
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let many = i32::try_from(self.values.len())?;
        let has_nulls = self.values.iter().any(|value| matches!(value, Value::Null));
        for number in [i32::from(many > 0), i32::from(has_nulls)] {
            buffer.extend_from_slice(&number.to_be_bytes());
        }
        buffer.extend_from_slice(&self.element.oid().to_be_bytes());
        if many == 0 {
            return Ok(IsNull::No);
        }
        for number in [many, 1] {
            buffer.extend_from_slice(&number.to_be_bytes());
        }
        for value in &self.values {
            match value {
                Value::Null => buffer.extend_from_slice(&(-1_i32).to_be_bytes()),
                Value::Integer(number) => put(buffer, &number.to_be_bytes())?,
                Value::Bytes(bytes) => put(buffer, bytes)?,
                Value::Text(text) | Value::Words(text) => put(buffer, text.as_bytes())?,
            }
        }
        Ok(IsNull::No)
    }
}

fn put(buffer: &mut PgArgumentBuffer, bytes: &[u8]) -> Result<(), BoxDynError> {
    buffer.extend_from_slice(&i32::try_from(bytes.len())?.to_be_bytes());
    buffer.extend_from_slice(bytes);
    Ok(())
}

/// Rows of prepared statements come in the binary format.
impl Columns for PgRow {
    fn integer(&self, at: usize) -> Option<i64> {
        let bytes = Columns::bytes(self, at)?;
        match bytes.len() {
            8 => bytes.try_into().ok().map(i64::from_be_bytes),
            4 => bytes.try_into().ok().map(|bytes| i32::from_be_bytes(bytes).into()),
            1 => Some(bytes[0].into()),
            _ => None,
        }
    }

    fn bytes(&self, at: usize) -> Option<&[u8]> {
        let value = self.try_get_raw(at).ok()?;
        if value.is_null() { None } else { value.as_bytes().ok() }
    }
}
