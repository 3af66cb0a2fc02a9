//! Contracts: the shapes of messages, replies, errors and state, seen through serde alone.
//!
//! A [`Shape`] says how values of a type lie on the wire; its [`Fingerprint`] stands in every
//! payload, and the shape is stored once under it, so that later releases and tools can read old
//! payloads. A type needs nothing but its `Deserialize`: [`trace()`] watches what it asks for. What
//! tracing can see that bincode cannot carry is an error then, by type and field path; what shows
//! only in a value is refused by the [codec](crate::codec) when it is encoded, or found in a test
//! by its [probe](crate::codec::probe()).

mod error;
mod fingerprint;
pub(crate) mod make;
mod schema;
mod shape;
pub(crate) mod stop;
mod trace;
pub(crate) mod wire;

pub use error::{Refusal, ShapeError, TraceError};
pub use fingerprint::Fingerprint;
pub use schema::Schema;
pub use shape::Shape;
pub(crate) use shape::{Body, Field, Leaf, NODES_MAX, Node, NodeId, Note, Variant};
pub use trace::trace;

/// The name of the newtype by which tracer and codec know a value that is held as JSON text.
pub(crate) const JSON_NEWTYPE: &str = "$cluster::Json";

/// The name of `T` as written in code: no module paths, generics kept.
pub(crate) fn type_name<T: ?Sized>() -> String {
    let full = std::any::type_name::<T>();
    let mut name = String::with_capacity(full.len());
    let mut word = 0;
    for c in full.chars() {
        match c {
            ':' => name.truncate(word),
            _ => {
                name.push(c);
                if !(c.is_alphanumeric() || c == '_') {
                    word = name.len();
                }
            }
        }
    }
    name
}

#[cfg(test)]
mod tests {
    /// Messages name types as people write them.
    #[test]
    fn type_names_have_no_modules() {
        type Nested = std::collections::BTreeMap<String, Option<super::Fingerprint>>;
        assert_eq!(super::type_name::<Nested>(), "BTreeMap<String, Option<Fingerprint>>");
        assert_eq!(super::type_name::<(u8, &[std::net::IpAddr])>(), "(u8, &[IpAddr])");
    }
}
