//! Runners, fences, shards, settings and time.

use std::sync::Arc;
use std::time::Duration;

use cluster_core::id::{Epoch, FenceNumber, Incarnation, MachineId, Seq, ShardId};
use cluster_core::storage::{
    Fence, JoinRequest, Joined, RUNNERS_LISTED, RunnerRow, ShardGroup, StorageError, TakenShard,
};
use cluster_core::time::{ClusterTime, Timestamp};

use super::batch::check_fence;
use super::driver::at_once;
use super::session::Session;
use super::sql::Sql;
use super::value::{Columns, Reader, Value, integer};

pub(super) const SHARD_COUNT: &str = "shard_count";
pub(super) const SHARD_HASH_VERSION: &str = "shard_hash_version";
pub(super) const LAST_INCARNATION: &str = "last_incarnation";
pub(super) const TIME_OFFSET_MS: &str = "time_offset_ms";
pub(super) const HIGHEST_SEQ: &str = "highest_seq";
pub(super) const RETENTION_REACHED: &str = "retention_reached";

impl Session<'_> {
    pub(super) fn join(
        &mut self,
        request: &JoinRequest,
        now: ClusterTime,
    ) -> Result<Joined, StorageError> {
        self.agree_on_settings(request)?;
        let groups =
            request.groups.iter().map(|name| self.group(name)).collect::<Result<_, _>>()?;

        // The process lock says that no other process lives: every earlier incarnation is over.
        self.execute(Sql::EndAllFences, &[])?;
        self.execute(Sql::FreeAllShards, &[])?;
        let number = self.meta(LAST_INCARNATION)?.unwrap_or(0) + 1;
        self.set_meta(LAST_INCARNATION, number)?;
        let incarnation = Incarnation::new(number.cast_unsigned());
        let machine = MachineId::of_incarnation(incarnation);
        let fence = Fence { incarnation, number: FenceNumber::new(1) };
        self.execute(Sql::InsertFence, &[number.into(), 1_i64.into()])?;
        let values = [
            number.into(),
            u32::from(machine.as_u16()).into(),
            Value::Text(&request.advertised),
            now.now.into(),
            now.now.after(request.lease).into(),
        ];
        self.execute(Sql::InsertRunner, &values)?;
        let forgotten = [(number + 1 - RUNNERS_LISTED as i64).into()];
        self.execute(Sql::ForgetRunners, &forgotten)?;
        self.execute(Sql::ForgetFences, &forgotten)?;
        let reached = self.reached(now.now)?;
        Ok(Joined { fence, machine, groups, now, reached })
    }

    pub(super) fn renew(
        &mut self,
        fence: Fence,
        now: ClusterTime,
        lease: Duration,
    ) -> Result<ClusterTime, StorageError> {
        at_once(check_fence(self, fence))?;
        let values = [integer(fence.incarnation.as_u64()).into(), now.now.after(lease).into()];
        match self.execute(Sql::RenewLease, &values)? {
            0 => Err(fence.lost()),
            _ => Ok(now),
        }
    }

    pub(super) fn runners(&mut self) -> Result<Vec<RunnerRow>, StorageError> {
        self.all(Sql::Runners, &[], read_runner)
    }

    /// The time that retention has reached; this one when there is none yet.
    fn reached(&mut self, now: Timestamp) -> Result<Timestamp, StorageError> {
        match self.meta(RETENTION_REACHED)? {
            Some(stored) => Ok(Timestamp::from_unix_ms(stored)),
            None => self.set_meta(RETENTION_REACHED, now.unix_ms()).map(|()| now),
        }
    }

    /// Compares the settings with the stored ones, or stores them when there are none yet.
    fn agree_on_settings(&mut self, request: &JoinRequest) -> Result<(), StorageError> {
        let (shards, hash) = (request.shard_count.get(), request.shard_hash_version);
        let shards = self.setting(SHARD_COUNT, shards)?;
        let hash = self.setting(SHARD_HASH_VERSION, hash)?;
        request.check_settings(shards, hash)
    }

    fn setting(&mut self, name: &'static str, given: u32) -> Result<u32, StorageError> {
        match self.meta(name)? {
            Some(stored) => u32::try_from(stored).map_err(|_| StorageError::Corrupt {
                table: "meta",
                reason: format!("{name} is {stored}"),
            }),
            None => self.set_meta(name, given.into()).map(|()| given),
        }
    }

    /// The number of a shard group; a new name gets the next one.
    fn group(&mut self, name: &Arc<str>) -> Result<ShardGroup, StorageError> {
        let name = Value::Bytes(name.as_bytes());
        if let Some(number) = self.first(Sql::Group, &[name], read_number)? {
            return Ok(ShardGroup(number));
        }
        let place = self.first(Sql::CountGroups, &[], read_number)?.unwrap_or(0_usize);
        let group = ShardGroup::numbered(place)?;
        self.execute(Sql::InsertGroup, &[u32::from(group.0).into(), name])?;
        Ok(group)
    }

    pub(super) fn take_shards(
        &mut self,
        fence: Fence,
        shards: &[ShardId],
    ) -> Result<Vec<TakenShard>, StorageError> {
        at_once(check_fence(self, fence))?;
        let mut taken = Vec::with_capacity(shards.len());
        let owner = integer(fence.incarnation.as_u64()).into();
        for shard in shards {
            let values = [shard.as_u32().into(), owner];
            self.execute(Sql::TakeShard, &values)?;
            if let Some(epoch) = self.first(Sql::OwnedShard, &values, read_number)? {
                taken.push(TakenShard { shard: *shard, epoch: Epoch::new(epoch) });
            }
        }
        Ok(taken)
    }

    pub(super) fn raise_fence(&mut self, fence: Fence) -> Result<Fence, StorageError> {
        let raised = fence.raised();
        let values =
            [integer(fence.incarnation.as_u64()).into(), integer(fence.number.as_u64()).into()];
        if self.execute(Sql::RaiseFence, &values)? == 0 {
            // An earlier call with this fence may have raised it already.
            at_once(check_fence(self, raised)).map_err(|error| match error {
                StorageError::Fenced { .. } => fence.lost(),
                other => other,
            })?;
        }
        Ok(raised)
    }

    pub(super) fn leave(&mut self, fence: Fence) -> Result<(), StorageError> {
        let incarnation = [integer(fence.incarnation.as_u64()).into()];
        self.execute(Sql::EndFence, &incarnation)?;
        self.execute(Sql::FreeShards, &incarnation).map(drop)
    }

    /// The highest `seq` that a request has or had.
    pub(super) fn highest_seq(&mut self) -> Result<Seq, StorageError> {
        let stored = self.first(Sql::HighestSeq, &[], |row| Ok(row.integer(0)))?.flatten();
        let retired = self.meta(HIGHEST_SEQ)?;
        let highest = stored.max(retired).unwrap_or(0);
        Ok(Seq::new(highest.cast_unsigned()))
    }

    /// How far cluster time is ahead of the clock, in milliseconds.
    pub(super) fn time_offset_ms(&mut self) -> Result<i64, StorageError> {
        Ok(self.meta(TIME_OFFSET_MS)?.unwrap_or(0))
    }

    pub(super) fn meta(&mut self, name: &str) -> Result<Option<i64>, StorageError> {
        self.first(Sql::Meta, &[Value::Text(name)], |row| Reader::new(row, "meta").integer(0))
    }

    pub(super) fn set_meta(&mut self, name: &str, value: i64) -> Result<(), StorageError> {
        self.execute(Sql::SetMeta, &[Value::Text(name), value.into()]).map(drop)
    }
}

fn read_number<T: TryFrom<i64>>(columns: &dyn Columns) -> Result<T, StorageError> {
    Reader::new(columns, "shard").number(0)
}

fn read_runner(columns: &dyn Columns) -> Result<RunnerRow, StorageError> {
    let read = Reader::new(columns, "runner");
    let machine = read.number(1)?;
    Ok(RunnerRow {
        incarnation: Incarnation::new(read.number(0)?),
        machine: MachineId::new(machine)
            .ok_or_else(|| read.corrupt(format!("column 1 holds {machine}")))?,
        joined_at: read.time(2)?,
        lease_ends_at: read.time(3)?,
        alive: read.integer(4)? != 0,
        advertised: read.text(5)?.to_owned(),
    })
}
