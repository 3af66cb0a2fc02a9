//! Who may write.

use std::sync::Arc;
use std::time::Duration;

use super::StorageError;
use crate::id::{Epoch, FenceNumber, Incarnation, MachineId, ShardCount, ShardId};
use crate::time::{ClusterTime, Timestamp};

/// What every write of a runner compares: its incarnation and the fence number it last raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    /// The start of the runner.
    pub incarnation: Incarnation,
    /// The number in force.
    pub number: FenceNumber,
}

impl Fence {
    /// The fence after raising this one.
    #[must_use]
    pub const fn raised(self) -> Fence {
        Fence { incarnation: self.incarnation, number: self.number.next() }
    }

    /// The error of a write under this fence when it does not hold.
    pub const fn lost(self) -> StorageError {
        StorageError::Fenced { incarnation: self.incarnation.as_u64() }
    }
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
    /// How long its first lease lasts.
    pub lease: Duration,
}

impl JoinRequest {
    /// Compares the settings that all runners must agree on with the stored ones.
    ///
    /// # Errors
    /// [`StorageError::SettingDiffers`] names the first that differs.
    pub fn check_settings(
        &self,
        shard_count: u32,
        shard_hash_version: u32,
    ) -> Result<(), StorageError> {
        agrees("shard_count", shard_count, self.shard_count.get())?;
        agrees("shard_hash_version", shard_hash_version, self.shard_hash_version)
    }
}

fn agrees(setting: &'static str, stored: u32, given: u32) -> Result<(), StorageError> {
    if stored == given {
        return Ok(());
    }
    let (stored, given) = (stored.to_string(), given.to_string());
    Err(StorageError::SettingDiffers { setting, stored, given })
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
    /// The cluster time at which it has joined, when its lease began.
    pub now: ClusterTime,
    /// The last [`RetireScan::reached`] that was stored; before any was, the cluster time of the
    /// first join.
    ///
    /// [`RetireScan::reached`]: super::RetireScan::reached
    pub reached: Timestamp,
}

/// How many starts of runners stay listed, the last ones.
pub const RUNNERS_LISTED: usize = 64;

/// One start of a runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunnerRow {
    /// Which start.
    pub incarnation: Incarnation,
    /// Its number as a maker of snowflakes.
    pub machine: MachineId,
    /// [`JoinRequest::advertised`].
    pub advertised: String,
    /// When it joined, in cluster time.
    pub joined_at: Timestamp,
    /// When its lease ends unless it renews it, in cluster time.
    pub lease_ends_at: Timestamp,
    /// Whether it may write: it has neither left nor been fenced off.
    pub alive: bool,
}

/// The number of a shard group: the upper half of its shards' numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ShardGroup(pub u16);

impl ShardGroup {
    /// The group with the given place in the order in which the database came to know them.
    ///
    /// # Errors
    /// [`StorageError::BadSetting`] after 65,536 groups.
    pub fn numbered(place: usize) -> Result<ShardGroup, StorageError> {
        u16::try_from(place).map(ShardGroup).map_err(|_| StorageError::BadSetting {
            setting: "groups",
            reason: "a database has at most 65,536 shard groups".to_owned(),
        })
    }

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
