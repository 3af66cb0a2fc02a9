//! Made-up values: for places that lie behind a value, and for the probe.
//!
//! A [`Maker`] deserializes any type from nothing: wherever the type asks, a [`Script`] picks one
//! of several answers. When the type rejects the result, the script takes the next answer at the
//! last place asked; so a validated type gets a value as soon as one candidate satisfies it.

mod candidates;
mod maker;
mod parts;
mod script;

pub(crate) use maker::Maker;
pub(crate) use script::{Alternative, Asked, Script};
