//! Where in a type a pass goes, and what it wants to know there.

use std::fmt;

/// One step from a type into a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Into an option, a newtype, or a newtype variant.
    Inner,
    /// Into the elements of a sequence.
    Element,
    /// Into the keys of a map.
    Key,
    /// Into the values of a map.
    Value,
    /// Into a member of a tuple, behind the ones before it.
    Member(usize),
    /// Into a field, by one of its names.
    Field(&'static str),
    /// Into the body of a variant.
    Variant { number: u32, name: &'static str },
}

/// What a pass wants to know at the end of its route. The numbers are places in the tracer's
/// tables.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ask {
    /// Which call the type makes there.
    Call { draft: usize },
    /// What types its members have, told by their seeds.
    Members { seeds: usize },
    /// Which field a name stands for; no name: how a name looks that no field has.
    Field { names: usize, name: Option<usize> },
    /// The real name of a field that has aliases.
    RealName { names: usize, group: usize },
    /// Which variant a name stands for.
    VariantName { names: usize, name: usize },
    /// Which variant a number stands for.
    VariantNumber { names: usize, number: u32 },
    /// What a variant holds.
    Body { names: usize, variant: usize },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Inner => Ok(()),
            Step::Element => f.write_str("[]"),
            Step::Key => f.write_str("{key}"),
            Step::Value => f.write_str("{value}"),
            Step::Member(index) => write!(f, ".{index}"),
            Step::Field(name) => write!(f, ".{name}"),
            Step::Variant { name, .. } => write!(f, "::{name}"),
        }
    }
}
