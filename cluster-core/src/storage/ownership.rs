//! Who may write.

use std::sync::Arc;

use crate::id::{Epoch, FenceNumber, Incarnation, MachineId, ShardCount, ShardId};

/// What every write of a runner compares: its incarnation and the fence number it last raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    /// The start of the runner.
    pub incarnation: Incarnation,
    /// The number in force.
    pub number: FenceNumber,
}

/// What a starting runner says about itself.
#[derive(Debug, Clone)]
pub struct JoinRequest {
    /// Shards per group. Must agree with the database once it is stored there.
    pub shard_count: ShardCount,
    /// The version of the shard hash. Must agree with the database once it is stored there.
    pub shard_hash_version: u32,
    /// The shard groups it hosts, by name; new names get the next number.
    pub groups: Vec<Arc<str>>,
    /// Where it can be reached, for people; empty for a process that is never called.
    pub advertised: String,
}

/// What a runner is told when it has joined.
#[derive(Debug, Clone)]
pub struct Joined {
    /// The fence of its writes.
    pub fence: Fence,
    /// Its number as a maker of snowflakes, its own while it lives.
    pub machine: MachineId,
    /// The numbers of its groups, in the order in which they were asked for.
    pub groups: Vec<ShardGroup>,
}

/// The number of a shard group: the upper half of its shards' numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ShardGroup(pub u16);

impl ShardGroup {
    /// The shard of this group with the given number below its count.
    pub fn shard(self, number: u32) -> ShardId {
        ShardId::new((u32::from(self.0) << 16) | number)
    }
}

/// A shard that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenShard {
    /// Which.
    pub shard: ShardId,
    /// Its new epoch, above every earlier one.
    pub epoch: Epoch,
}
