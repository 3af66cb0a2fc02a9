//! Which shard an entity belongs to.

use std::fmt;
use std::num::NonZeroU32;

use xxhash_rust::xxh3::xxh3_64;

use super::EntityId;

/// The version of the specification of [`ShardId::of`], kept in the database: a runner of another
/// version refuses to join.
pub const SHARD_HASH_VERSION: u32 = 1;

/// How many shards a group has. A cluster setting kept in the database: 1 to 65,536.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardCount(NonZeroU32);

impl ShardCount {
    /// The largest count.
    pub const MAX: u32 = 65_536;

    /// Takes a count of 1 to [`ShardCount::MAX`].
    pub const fn new(count: u32) -> Option<Self> {
        match NonZeroU32::new(count) {
            Some(count) if count.get() <= Self::MAX => Some(ShardCount(count)),
            _ => None,
        }
    }

    /// The bare number.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl Default for ShardCount {
    fn default() -> Self {
        ShardCount(const { NonZeroU32::new(256).expect("not zero") })
    }
}

/// A part of the id space of a shard group, and the unit of ownership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardId(u32);

impl ShardId {
    /// The shard of an entity. Types with equal id and group share a shard.
    ///
    /// Specification, version 1 (for ever; see the golden vectors): xxh3 (64 bits, seed 0) of the
    /// id's UTF-8 bytes, modulo the shard count of the group.
    pub fn of(id: &EntityId, count: ShardCount) -> Self {
        let shard = xxh3_64(id.as_str().as_bytes()) % u64::from(count.get());
        ShardId(u32::try_from(shard).expect("below the count, which is a u32"))
    }

    /// Takes the bare number, as read from storage.
    pub const fn new(number: u32) -> Self {
        ShardId(number)
    }

    /// The bare number, as stored.
    pub const fn as_u32(self) -> u32 {
        self.0
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
