//! The 64-bit name of a shape.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Names the shape that a payload was written with.
///
/// It is xxh3-64 over the canonical bytes of the shape (see [`Shape`](super::Shape)), so it is
/// equal on every platform and in every process, and it stays what it is for ever. It prints as
/// 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// The fingerprint with this number, as a header or a database column holds it.
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// The number to store.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}
