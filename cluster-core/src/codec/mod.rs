//! Payloads: what messages, replies, errors and state are in storage and on the wire.
//!
//! # Specification
//!
//! A payload is a header and a body. The header is nine bytes: the [`Format`], then the
//! [`Fingerprint`] of the type's [`Shape`](crate::contract::Shape), eight bytes little-endian. The
//! body is the value:
//!
//! - In [`Format::Bincode`] it is what bincode 2 writes in its standard configuration. Integers of
//!   one byte are that byte. Wider unsigned ones are varints: up to 250 one byte; else 251, 252,
//!   253 or 254 and two, four, eight or sixteen bytes, little-endian, the fewest that do. Signed
//!   ones are zigzagged first. Floats are four or eight bytes, little-endian. A bool is one byte, 0
//!   or 1; a char its UTF-8 bytes; text and bytes have their length before them as a varint. An
//!   option is 0, or 1 and the value. A sequence or map is its count and its elements, or keys and
//!   values in turn. An enum is the number of its variant as a varint, then the variant's values.
//!   Tuples, arrays, structs and newtypes are their members, units nothing. `usize` is a u64,
//!   `isize` an i64. A [`Json`] and a value at an opaque place are text.
//! - In [`Format::Json`] it is JSON text.
//!
//! # Limits
//!
//! A payload is as long as its caller allows, a value as deep as [`DEPTH_MAX`], JSON text as deep
//! as [`JSON_DEPTH_MAX`], and a value holds at most [`HOLLOW_MAX`] elements that take no bytes. A
//! value that could not be read back is not written; so JSON text has no infinite floats, no NaN.

mod compare;
mod decode;
mod decode_parts;
mod encode;
mod encode_parts;
mod error;
mod fault;
mod json;
mod json_order;
mod json_text;
mod limits;
mod primitive;
mod probe;
mod show;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
pub use compare::arguments_equal;
pub use error::{DecodeError, EncodeError};
pub use json::Json;
pub use limits::{DEPTH_MAX, HOLLOW_MAX, JSON_DEPTH_MAX};
pub use probe::{Finding, ProbeReport, probe};
use serde::Serialize;
use serde::de::DeserializeOwned;
pub use show::to_json;

use self::fault::Fault;
use self::primitive::{Input, Output};
use crate::contract::{Fingerprint, Schema};
use crate::error::panic_text;

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

/// The largest buffer that a thread keeps between two payloads, in bytes.
const SCRATCH_MAX: usize = 1 << 16;

thread_local! {
    /// Where a payload grows before it is copied into a buffer of its own size. Taken while in use:
    /// a value that encodes another one inside finds an empty one.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Format {
    fn from_byte(byte: u8) -> Result<Self, DecodeError> {
        match byte {
            1 => Ok(Self::Bincode),
            2 => Ok(Self::Json),
            other => Err(DecodeError::UnknownFormat(other)),
        }
    }
}

/// Encodes `value` in [`Format::Bincode`].
///
/// `limit` is the largest allowed payload in bytes, header included.
///
/// # Errors
///
/// [`EncodeError::TooLarge`] over the limit; [`EncodeError::Refused`] if the value writes itself
/// otherwise than `schema` says, by type and field path.
pub fn encode<T: Serialize + ?Sized>(
    value: &T,
    schema: &Schema,
    limit: usize,
) -> Result<Bytes, EncodeError> {
    let mut bytes = SCRATCH.try_with(Cell::take).unwrap_or_default();
    bytes.clear();
    header(&mut bytes, Format::Bincode, schema);
    let mut out = Output::new(bytes, limit);
    let written = caught(|| encode::write(value, schema.shape(), &mut out));
    let size = out.size();
    let bytes = out.into_bytes();
    let payload = match written {
        Err(fault) => Err(fault.into_encode_error(schema.type_name())),
        Ok(()) if size > limit => Err(EncodeError::TooLarge { limit, size }),
        Ok(()) => Ok(Bytes::copy_from_slice(&bytes)),
    };
    if bytes.capacity() <= SCRATCH_MAX {
        // A thread that is about to end has no use for it.
        let _ = SCRATCH.try_with(|scratch| scratch.set(bytes));
    }
    payload
}

/// Encodes `value` in [`Format::Json`], for people and gateways.
///
/// # Errors
///
/// As for [`encode()`].
pub fn encode_json<T: Serialize + ?Sized>(
    value: &T,
    schema: &Schema,
    limit: usize,
) -> Result<Bytes, EncodeError> {
    let mut payload = Vec::new();
    header(&mut payload, Format::Json, schema);
    caught(|| json_text::write(value, &mut payload))
        .map_err(|fault| fault.into_encode_error(schema.type_name()))?;
    let size = payload.len();
    if size > limit { Err(EncodeError::TooLarge { limit, size }) } else { Ok(payload.into()) }
}

/// Decodes a payload of either format. The bytes may be hostile.
///
/// JSON describes itself, so a JSON payload is read whatever its fingerprint.
///
/// # Errors
///
/// [`DecodeError`]; every byte must be part of the value.
pub fn decode<T: DeserializeOwned>(bytes: &[u8], schema: &Schema) -> Result<T, DecodeError> {
    let payload = Payload::parse(bytes)?;
    match payload.format {
        Format::Bincode => {
            payload.expect(schema.fingerprint())?;
            let mut input = Input::new(payload.body);
            let value = caught(|| decode::read(schema.shape(), &mut input))
                .map_err(|fault| fault.into_decode_error(schema.type_name()))?;
            match input.left() {
                0 => Ok(value),
                left => Err(DecodeError::Trailing { left }),
            }
        }
        Format::Json => caught(|| json::parse(payload.body))
            .map_err(|fault| fault.into_decode_error(schema.type_name())),
    }
}

/// The contract that a payload was written with; reads the header only.
///
/// # Errors
///
/// [`DecodeError::Truncated`] or [`DecodeError::UnknownFormat`].
pub fn fingerprint_of(bytes: &[u8]) -> Result<Fingerprint, DecodeError> {
    Ok(Payload::parse(bytes)?.fingerprint)
}

/// The format that a payload is written in; reads the header only.
///
/// # Errors
///
/// [`DecodeError::Truncated`] or [`DecodeError::UnknownFormat`].
pub fn format_of(bytes: &[u8]) -> Result<Format, DecodeError> {
    Ok(Payload::parse(bytes)?.format)
}

/// Runs what may call the user's own serde code: its panic is a fault of this value, not of whoever
/// encodes it.
#[inline]
fn caught<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        Err(Fault::new(format!("its own serde code panicked: {}", panic_text(&*panic))))
    })
}

fn header(bytes: &mut Vec<u8>, format: Format, schema: &Schema) {
    bytes.push(format as u8);
    bytes.extend_from_slice(&schema.fingerprint().as_u64().to_le_bytes());
}

/// A payload taken apart.
struct Payload<'a> {
    format: Format,
    fingerprint: Fingerprint,
    body: &'a [u8],
}

impl<'a> Payload<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let truncated = || DecodeError::Truncated { path: "header".to_owned() };
        let (format, rest) = bytes.split_first().ok_or_else(truncated)?;
        let format = Format::from_byte(*format)?;
        let (fingerprint, body) = rest.split_first_chunk().ok_or_else(truncated)?;
        let fingerprint = Fingerprint::from_u64(u64::from_le_bytes(*fingerprint));
        Ok(Self { format, fingerprint, body })
    }

    fn expect(&self, expected: Fingerprint) -> Result<(), DecodeError> {
        let written = self.fingerprint;
        if written == expected {
            Ok(())
        } else {
            Err(DecodeError::IncompatibleContract { written, expected })
        }
    }
}
