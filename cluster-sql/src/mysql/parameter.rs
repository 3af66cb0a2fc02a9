//! Values as the protocol's parameters and results.

use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::mysql::{MySqlRow, MySqlTypeInfo};
use sqlx::{Decode, MySql, Row, Type, ValueRef};

use crate::value::{Columns, Value};

/// A value of the type that it has.
pub(super) struct Parameter<'a>(pub(super) Value<'a>);

impl Type<MySql> for Parameter<'_> {
    /// Each says its own: see [`Encode::produces`].
    fn type_info() -> MySqlTypeInfo {
        <[u8] as Type<MySql>>::type_info()
    }
}

impl Encode<'_, MySql> for Parameter<'_> {
    fn produces(&self) -> Option<MySqlTypeInfo> {
        Some(match self.0 {
            Value::Integer(_) => <i64 as Type<MySql>>::type_info(),
            Value::Null | Value::Bytes(_) | Value::Text(_) | Value::Words(_) => {
                <[u8] as Type<MySql>>::type_info()
            }
        })
    }

    fn encode_by_ref(&self, buffer: &mut Vec<u8>) -> Result<IsNull, BoxDynError> {
        match self.0 {
            Value::Null => Ok(IsNull::Yes),
            Value::Integer(number) => Encode::<MySql>::encode_by_ref(&number, buffer),
            Value::Bytes(bytes) => Encode::<MySql>::encode_by_ref(&bytes, buffer),
            // All columns hold bytes.
            Value::Text(text) | Value::Words(text) => {
                Encode::<MySql>::encode_by_ref(&text.as_bytes(), buffer)
            }
        }
    }
}

/// Rows of prepared statements come in the binary format, those of packets of text as text; the
/// driver knows which.
impl Columns for MySqlRow {
    fn integer(&self, at: usize) -> Option<i64> {
        let value = self.try_get_raw(at).ok().filter(|value| !value.is_null())?;
        <i64 as Decode<MySql>>::decode(value).ok()
    }

    fn bytes(&self, at: usize) -> Option<&[u8]> {
        let value = self.try_get_raw(at).ok().filter(|value| !value.is_null())?;
        <&[u8] as Decode<MySql>>::decode(value).ok()
    }
}
