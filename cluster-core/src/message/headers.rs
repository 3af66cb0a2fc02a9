//! What travels beside a message's arguments.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The most bytes that the names and values of one call's headers may have together.
pub const HEADERS_BYTES_MAX: usize = 16 * 1024;

/// Named texts beside a call's arguments: tenant, authentication, correlation. At most
/// [`HEADERS_BYTES_MAX`] bytes. Stored with a persisted request. No allocation while empty.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Headers(Vec<(Box<str>, Box<str>)>);

impl Headers {
    /// The value of the header of this name. Names are compared as bytes.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| &**known == name).map(|(_, value)| &**value)
    }

    /// Sets a header; an earlier value of the name is replaced.
    pub fn set(&mut self, name: impl Into<Box<str>>, value: impl Into<Box<str>>) {
        let name = name.into();
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, value.into()));
    }

    /// Names and values, in the order in which they were set.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes of all names and values together.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len()).sum()
    }
}

impl fmt::Debug for Headers {
    /// Shows names only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// The caller's position in a distributed trace, as W3C Trace Context's `traceparent` holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceContext {
    /// The id of the whole trace; never zero.
    pub trace_id: u128,
    /// The id of the caller's span; never zero.
    pub span_id: u64,
    /// The trace flags; bit 0 is "sampled".
    pub flags: u8,
}
