//! Why a value was not written, or bytes were not read.

use crate::contract::Fingerprint;

/// A value that was not encoded. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The payload would be larger than the limit.
    #[error("payload of {size} bytes is over the limit of {limit} bytes")]
    TooLarge {
        /// The largest allowed payload, header included, in bytes.
        limit: usize,
        /// The size that the payload would have, header included, in bytes.
        size: usize,
    },
    /// The value writes itself in a form that its type would not read back.
    #[error("{path}: {why}")]
    Refused {
        /// The type and field at fault: `Order.items[3].note`.
        path: String,
        /// What does not fit, and the way out.
        why: String,
    },
}

/// Bytes that were not decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end before the value does.
    #[error("{path}: the payload ends too early")]
    Truncated {
        /// The type and field that was being read.
        path: String,
    },
    /// The value ended before the bytes did.
    #[error("{left} bytes are left over behind the value")]
    Trailing {
        /// How many bytes were not read.
        left: usize,
    },
    /// The first byte names no format that this release knows.
    #[error("unknown payload format {0}")]
    UnknownFormat(u8),
    /// The bytes were written with another shape.
    #[error("payload was written with contract {written}, this type has contract {expected}")]
    IncompatibleContract {
        /// The fingerprint in the payload.
        written: Fingerprint,
        /// The fingerprint of the type to be read.
        expected: Fingerprint,
    },
    /// The bytes have the right contract but are no value of the type.
    #[error("{path}: {why}")]
    Malformed {
        /// The type and field at fault.
        path: String,
        /// What does not fit.
        why: String,
    },
}
