//! Where a message goes.

use std::fmt;
use std::sync::Arc;

use super::{EntityId, ShardId};

/// The address of an entity: its type, its id, and the shard that follows from the id. One word, so
/// that errors which carry one stay small; a clone costs one reference count.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address(Arc<Parts>);

#[derive(PartialEq, Eq, Hash)]
struct Parts {
    entity_type: Arc<str>,
    entity_id: EntityId,
    shard: ShardId,
}

impl Address {
    /// Puts an address together; the shard must be that of the id.
    pub fn new(entity_type: Arc<str>, entity_id: EntityId, shard: ShardId) -> Self {
        Address(Arc::new(Parts { entity_type, entity_id, shard }))
    }

    /// The name of the entity type.
    pub fn entity_type(&self) -> &str {
        &self.0.entity_type
    }

    /// The id within the type.
    pub fn entity_id(&self) -> &EntityId {
        &self.0.entity_id
    }

    /// The shard of the id.
    pub fn shard(&self) -> ShardId {
        self.0.shard
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0.entity_type, self.0.entity_id)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}
