//! What can travel and be stored.

use bytes::Bytes;
use serde::Serialize;
use serde::de::{DeserializeOwned, Error};
use serde::ser::SerializeStruct;

use super::arguments::{Fields, MissingField};
use crate::codec::{self, DecodeError, EncodeError};
use crate::contract::{Schema, TraceError};

/// What can be an argument, a reply, an error or a state: owned, sendable, with serde in both
/// directions. Implemented for every such type.
///
/// The codec's verbs stand here, and serde's traits are not supertraits: so a type that lacks them
/// is told once, in our words, and not once for each of serde's traits.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot travel in a message or be stored",
    label = "needs `Serialize` and `Deserialize`, and to be `Send` and owned",
    note = "add `#[derive(Serialize, Deserialize)]` to it, or to the type within that lacks it"
)]
pub trait Wire: Send + Sized + 'static {
    /// Traces the type's shape.
    ///
    /// # Errors
    /// [`TraceError`] names what the codec cannot carry.
    fn schema() -> Result<Schema, TraceError>;

    /// Encodes the value along its schema, in at most `limit` bytes.
    ///
    /// # Errors
    /// As [`codec::encode`].
    fn encode(&self, schema: &Schema, limit: usize) -> Result<Bytes, EncodeError>;

    /// Decodes a value; the bytes may be hostile.
    ///
    /// # Errors
    /// As [`codec::decode`].
    fn decode(payload: &[u8], schema: &Schema) -> Result<Self, DecodeError>;

    /// Writes the value as a field of a message struct.
    ///
    /// # Errors
    /// The serializer's.
    fn write<W: SerializeStruct>(&self, name: &'static str, fields: &mut W)
    -> Result<(), W::Error>;

    /// Reads the field that came, which must be the first of its name.
    ///
    /// # Errors
    /// The deserializer's.
    fn read<'de, F: Fields<'de>>(
        slot: &mut Option<Self>,
        name: &'static str,
        fields: &mut F,
    ) -> Result<(), F::Error>;

    /// The field that was read, or what the type makes of a missing one: an `Option` is `None`.
    ///
    /// # Errors
    /// The field is missing.
    fn take<E: Error>(slot: Option<Self>, name: &'static str) -> Result<Self, E>;
}

// Blames a type that fails on this trait, instead of on each of the traits it is made of.
#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + 'static> Wire for T {
    fn schema() -> Result<Schema, TraceError> {
        Schema::of::<T>()
    }

    fn encode(&self, schema: &Schema, limit: usize) -> Result<Bytes, EncodeError> {
        codec::encode(self, schema, limit)
    }

    fn decode(payload: &[u8], schema: &Schema) -> Result<Self, DecodeError> {
        codec::decode(payload, schema)
    }

    #[inline]
    fn write<W: SerializeStruct>(
        &self,
        name: &'static str,
        fields: &mut W,
    ) -> Result<(), W::Error> {
        fields.serialize_field(name, self)
    }

    #[inline]
    fn read<'de, F: Fields<'de>>(
        slot: &mut Option<T>,
        name: &'static str,
        fields: &mut F,
    ) -> Result<(), F::Error> {
        if slot.is_some() {
            return Err(F::Error::duplicate_field(name));
        }
        *slot = Some(fields.value()?);
        Ok(())
    }

    #[inline]
    fn take<E: Error>(slot: Option<T>, name: &'static str) -> Result<T, E> {
        match slot {
            Some(value) => Ok(value),
            None => T::deserialize(MissingField::new(name)),
        }
    }
}
