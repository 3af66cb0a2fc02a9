//! A failure inside a value, which learns its path on the way out.

use std::fmt;

use super::{DecodeError, EncodeError};

/// What went wrong, and the places passed on the way out, innermost first.
///
/// Boxed, so that the results of the hot path stay small.
pub(crate) struct Fault(Box<Inner>);

struct Inner {
    cause: Cause,
    places: Vec<Place>,
}

enum Cause {
    Truncated,
    Other(String),
}

/// One step from a value into a part of it.
pub(crate) enum Place {
    Field(String),
    Variant(String),
    Member(usize),
    Element(usize),
    Key,
    Value,
}

impl Fault {
    pub(crate) fn truncated() -> Self {
        Self(Box::new(Inner { cause: Cause::Truncated, places: Vec::new() }))
    }

    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(Box::new(Inner { cause: Cause::Other(why.into()), places: Vec::new() }))
    }

    /// The same fault, seen from the value that holds `place`.
    pub(crate) fn at(mut self, place: Place) -> Self {
        self.0.places.push(place);
        self
    }

    /// The same fault, with words before its own.
    pub(crate) fn because(mut self, context: &str) -> Self {
        self.0.cause = Cause::Other(format!("{context}: {self}"));
        self
    }

    pub(crate) fn into_encode_error(self, type_name: &str) -> EncodeError {
        EncodeError::Refused { path: self.path(type_name), why: self.to_string() }
    }

    pub(crate) fn into_decode_error(self, type_name: &str) -> DecodeError {
        let path = self.path(type_name);
        match self.0.cause {
            Cause::Truncated => DecodeError::Truncated { path },
            Cause::Other(why) => DecodeError::Malformed { path, why },
        }
    }

    fn path(&self, type_name: &str) -> String {
        self.0
            .places
            .iter()
            .rev()
            .fold(type_name.to_owned(), |path, place| path + &place.to_string())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Field(name) => write!(f, ".{name}"),
            Place::Variant(name) => write!(f, "::{name}"),
            Place::Member(index) => write!(f, ".{index}"),
            Place::Element(index) => write!(f, "[{index}]"),
            Place::Key => f.write_str("{key}"),
            Place::Value => f.write_str("{value}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.cause {
            Cause::Truncated => f.write_str("the bytes end too early"),
            Cause::Other(why) => f.write_str(why),
        }
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fault({}: {self})", self.path(""))
    }
}

impl std::error::Error for Fault {}

impl serde::ser::Error for Fault {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Fault::new(why.to_string())
    }
}

impl serde::de::Error for Fault {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Fault::new(why.to_string())
    }
}
