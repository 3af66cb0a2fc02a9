//! Traced shapes of what a journal holds.

use std::any::TypeId;
use std::sync::LazyLock;

use hashbrown::HashMap;
use parking_lot::RwLock;

use crate::contract::{Schema, TraceError};
use crate::entity::Wire;

/// Each type is traced once in a process. Bounded by the types of the program.
static KNOWN: LazyLock<RwLock<HashMap<TypeId, Schema>>> = LazyLock::new(RwLock::default);

/// The shape of a type.
pub(super) fn schema_of<T: Wire>() -> Result<Schema, TraceError> {
    let id = TypeId::of::<T>();
    let known = KNOWN.read().get(&id).cloned();
    match known {
        Some(schema) => Ok(schema),
        None => {
            // Not under the lock: tracing runs the type's own code.
            let schema = T::schema()?;
            Ok(KNOWN.write().entry(id).or_insert(schema).clone())
        }
    }
}
