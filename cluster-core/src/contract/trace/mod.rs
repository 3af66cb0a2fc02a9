//! Finding the shape of a type by watching what its `Deserialize` asks for.
//!
//! Each *pass* deserializes the type with a [`Watcher`](watch::Watcher) that walks from the root
//! along a route to one unknown place, notes the call that the type makes there, and stops with an
//! error. So no value is made, validation never runs, and recursion cannot overflow. Two places
//! need values before they can be reached: a later member of a tuple, and the value of a map entry.
//! Those are made up ([`Maker`](super::make::Maker)); where none is accepted, what stands behind is
//! opaque.
//!
//! What is taken from serde's conventions and not from its promises: a derived visitor takes fields
//! by name in any order, variants by name and by number, and turns names into an enum, whose
//! discriminant tells which names are aliases. Where a hand-written visitor does otherwise, the
//! encoder notices that value and shape differ; it never guesses.

mod names;
mod route;
mod tracer;
mod watch;
mod watch_parts;

use serde::Deserialize;

use super::{Shape, TraceError};

/// The shape of `T`, found by watching what its `Deserialize` asks for.
///
/// # Errors
///
/// [`TraceError`] names every place of the type that the codec cannot carry.
pub fn trace<'de, T: Deserialize<'de>>() -> Result<Shape, TraceError> {
    tracer::Tracer::run::<T>()
}
