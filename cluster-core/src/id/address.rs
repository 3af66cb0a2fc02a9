//! Where a message goes.

use std::fmt;
use std::sync::Arc;

use super::{EntityId, ShardId};

/// The address of an entity: its type, its id, and the shard that follows from the id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    entity_type: Arc<str>,
    entity_id: EntityId,
    shard: ShardId,
}

impl Address {
    /// Puts an address together; the shard must be that of the id.
    pub fn new(entity_type: Arc<str>, entity_id: EntityId, shard: ShardId) -> Self {
        Address { entity_type, entity_id, shard }
    }

    /// The name of the entity type.
    pub fn entity_type(&self) -> &str {
        &self.entity_type
    }

    /// The id within the type.
    pub fn entity_id(&self) -> &EntityId {
        &self.entity_id
    }

    /// The shard of the id.
    pub fn shard(&self) -> ShardId {
        self.shard
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.entity_type, self.entity_id)
    }
}
