//! How a watched deserialization ends.

use std::fmt;

/// The error of the deserializers that trace and make up values.
#[derive(Clone, Debug)]
pub(crate) enum Stop {
    /// What was to be learned is known.
    Answered,
    /// The type does not accept what it was given.
    Rejected(String),
    /// The type was given the same field twice, and says its real name.
    Duplicate(&'static str),
    /// There is no variant of this number.
    NoVariant,
}

impl Stop {
    pub(crate) fn rejected(why: impl Into<String>) -> Self {
        Stop::Rejected(why.into())
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::Answered => f.write_str("answered"),
            Stop::Rejected(why) => f.write_str(why),
            Stop::NoVariant => f.write_str("no such variant"),
            Stop::Duplicate(field) => write!(f, "duplicate field `{field}`"),
        }
    }
}

impl std::error::Error for Stop {}

impl serde::de::Error for Stop {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Stop::Rejected(why.to_string())
    }

    fn duplicate_field(field: &'static str) -> Self {
        Stop::Duplicate(field)
    }
}
