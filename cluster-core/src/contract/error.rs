//! Why a type has no shape, and why bytes are none.

use std::fmt;

/// A type whose wire form the codec cannot carry, with every place of it that is at fault.
///
/// Its text names the type and field path, the reason, and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceError {
    /// The type that was traced, as written in code, without module paths.
    pub type_name: String,
    /// Every place that cannot be carried; at least one.
    pub refusals: Vec<Refusal>,
}

/// One place of a type that the codec cannot carry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// Where, from the traced type down: `Order.items[].extra`.
    pub path: String,
    /// What is wrong there, and the way out.
    pub why: String,
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, refusal) in self.refusals.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{}: {}", refusal.path, refusal.why)?;
        }
        Ok(())
    }
}

impl std::error::Error for TraceError {}

/// Stored bytes that are not a shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// The bytes were written by a release that describes shapes in another way.
    #[error("stored shape has version {found}, this release reads version {known}")]
    UnknownVersion {
        /// The version in the bytes.
        found: u8,
        /// The version that this release reads and writes.
        known: u8,
    },
    /// The bytes end too early, go on too long, or describe an impossible table.
    #[error("not a stored shape: {why}")]
    Malformed {
        /// What does not fit.
        why: String,
    },
}
