//! Entities that are kept alive.

use std::sync::Arc;

use super::rows::StateKey;
use crate::id::{EntityId, Epoch};

/// Whether an entity is kept alive from now on.
#[derive(Debug, Clone)]
pub struct AliveWrite {
    /// Which entity.
    pub key: StateKey,
    /// The epoch of the shard's ownership in which it is written.
    pub epoch: Epoch,
    /// What becomes of it.
    pub alive: Alive,
}

/// What becomes of an entity's being kept alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alive {
    /// Its owner keeps it in memory and brings it back by itself.
    Kept,
    /// It leaves memory like any other.
    Released,
}

/// Asks for a page of the entities that are kept alive.
#[derive(Debug, Clone)]
pub struct AliveScan {
    /// Only those behind this type and id, both compared as bytes; none for the first page.
    pub after: Option<(Arc<str>, EntityId)>,
    /// At most this many.
    pub limit: usize,
}
