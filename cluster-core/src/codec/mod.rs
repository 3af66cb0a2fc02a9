//! Payloads: a format byte, the fingerprint of the contract, and the value.

mod error;
mod json;
pub(crate) mod primitive;

use bytes::Bytes;
pub use error::{DecodeError, EncodeError};
pub use json::Json;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::contract::{Fingerprint, Schema, Shape};

/// The length of what stands before the value in every payload, in bytes.
pub const HEADER_LEN: usize = 9;

/// How the value of a payload is written. The number is the payload's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Format {
    /// bincode 2 in its standard configuration, along the shape.
    Bincode = 1,
    /// JSON text.
    Json = 2,
}

/// Encodes `value` in [`Format::Bincode`].
///
/// `limit` is the largest allowed payload in bytes, header included.
///
/// # Errors
///
/// [`EncodeError::TooLarge`] over the limit; [`EncodeError::Refused`] if the value writes itself otherwise
/// than `schema` says, by type and field path.
pub fn encode<T: Serialize + ?Sized>(
    value: &T,
    schema: &Schema,
    limit: usize,
) -> Result<Bytes, EncodeError> {
    unreachable!("filled in next")
}

/// Encodes `value` in [`Format::Json`], for people and gateways.
///
/// # Errors
///
/// As for [`encode`].
pub fn encode_json<T: Serialize + ?Sized>(
    value: &T,
    schema: &Schema,
    limit: usize,
) -> Result<Bytes, EncodeError> {
    unreachable!("filled in next")
}

/// Decodes a payload of either format. The bytes may be hostile.
///
/// # Errors
///
/// [`DecodeError`]; every byte must be part of the value.
pub fn decode<T: DeserializeOwned>(bytes: &[u8], schema: &Schema) -> Result<T, DecodeError> {
    unreachable!("filled in next")
}

/// The contract that a payload was written with; reads the header only.
///
/// # Errors
///
/// [`DecodeError::Truncated`] or [`DecodeError::UnknownFormat`].
pub fn fingerprint_of(bytes: &[u8]) -> Result<Fingerprint, DecodeError> {
    unreachable!("filled in next")
}

/// Shows a payload without its type.
///
/// # Errors
///
/// [`DecodeError`]; a payload of another shape is [`DecodeError::IncompatibleContract`].
pub fn to_json(bytes: &[u8], shape: &Shape) -> Result<serde_json::Value, DecodeError> {
    unreachable!("filled in next")
}

/// Whether two payloads under one key carry the same arguments, as far as that can be told.
///
/// Payloads with different fingerprints are not compared and count as equal. `shape` is the
/// shape of both; maps and hash sets are compared without their order.
pub fn arguments_equal(a: &[u8], b: &[u8], shape: &Shape) -> bool {
    unreachable!("filled in next")
}
