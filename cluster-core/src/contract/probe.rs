//! Proving in a test that a type writes what it reads.
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::TraceError;

/// What [`probe`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProbeReport {
    /// How many made-up values came back as they were written.
    pub proved: usize,
    /// Places that no made-up value reaches: nothing is known of them.
    pub unproved: Vec<Finding>,
    /// Places where the type writes something else than it reads.
    pub wrong: Vec<Finding>,
}

/// One place of a probed type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// Where, from the probed type down: `Order.items[0].note`.
    pub path: String,
    /// What happened there.
    pub why: String,
}

/// Encodes and decodes made-up values of `T`, one for every variant, `Some` and `None`, empty and
/// not, and reports what does not come back.
///
/// # Errors
///
/// [`TraceError`] if the type cannot be carried at all.
pub fn probe<T: Serialize + DeserializeOwned>() -> Result<ProbeReport, TraceError> {
    unreachable!("filled in next")
}
