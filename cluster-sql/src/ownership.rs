//! Runners, fences, shards, settings and time.

use std::sync::Arc;
use std::time::Duration;

use cluster_core::id::{Epoch, FenceNumber, Incarnation, MachineId, Seq, ShardId};
use cluster_core::storage::{
    Fence, JoinRequest, Joined, RUNNERS_LISTED, RunnerRow, ShardGroup, StorageError, TakenShard,
};
use cluster_core::time::{ClusterTime, Timestamp};

use super::batch::check_fence;
use super::driver::Driver;
use super::sql::Sql;
use super::value::{Columns, Reader, Value, integer};

pub(crate) const SHARD_COUNT: &str = "shard_count";
pub(crate) const SHARD_HASH_VERSION: &str = "shard_hash_version";
pub(crate) const LAST_INCARNATION: &str = "last_incarnation";
pub(crate) const TIME_OFFSET_MS: &str = "time_offset_ms";
pub(crate) const HIGHEST_SEQ: &str = "highest_seq";
pub(crate) const RETENTION_REACHED: &str = "retention_reached";

/// Makes a new incarnation, in a transaction that nobody else changes the cluster beside.
pub(crate) async fn join<D: Driver>(
    driver: &mut D,
    request: &JoinRequest,
    now: ClusterTime,
) -> Result<Joined, StorageError> {
    agree_on_settings(driver, request).await?;
    let mut groups = Vec::with_capacity(request.groups.len());
    for name in &request.groups {
        groups.push(group(driver, name).await?);
    }

    // One runner has a database: every earlier incarnation is over.
    driver.execute(Sql::EndAllFences, &[]).await?;
    driver.execute(Sql::FreeAllShards, &[]).await?;
    let number = meta(driver, LAST_INCARNATION).await?.unwrap_or(0) + 1;
    set_meta(driver, LAST_INCARNATION, number).await?;
    let incarnation = Incarnation::new(number.cast_unsigned());
    let machine = MachineId::of_incarnation(incarnation);
    let fence = Fence { incarnation, number: FenceNumber::new(1) };
    driver.execute(Sql::InsertFence, &[number.into(), 1_i64.into()]).await?;
    let values = [
        number.into(),
        u32::from(machine.as_u16()).into(),
        Value::Words(&request.advertised),
        now.now.into(),
        now.now.after(request.lease).into(),
    ];
    driver.execute(Sql::InsertRunner, &values).await?;
    let forgotten = [(number + 1 - RUNNERS_LISTED as i64).into()];
    driver.execute(Sql::ForgetRunners, &forgotten).await?;
    driver.execute(Sql::ForgetFences, &forgotten).await?;
    let reached = reached(driver, now.now).await?;
    Ok(Joined { fence, machine, groups, now, reached })
}

/// Renews the lease of an incarnation, in a transaction that compares its fence.
pub(crate) async fn renew<D: Driver>(
    driver: &mut D,
    fence: Fence,
    now: ClusterTime,
    lease: Duration,
) -> Result<ClusterTime, StorageError> {
    let values = [integer(fence.incarnation.as_u64()).into(), now.now.after(lease).into()];
    match driver.execute(Sql::RenewLease, &values).await? {
        0 => Err(fence.lost()),
        _ => Ok(now),
    }
}

/// The time that retention has reached; this one when there is none yet.
async fn reached<D: Driver>(driver: &mut D, now: Timestamp) -> Result<Timestamp, StorageError> {
    match meta(driver, RETENTION_REACHED).await? {
        Some(stored) => Ok(Timestamp::from_unix_ms(stored)),
        None => set_meta(driver, RETENTION_REACHED, now.unix_ms()).await.map(|()| now),
    }
}

/// Compares the settings with the stored ones, or stores them when there are none yet.
async fn agree_on_settings<D: Driver>(
    driver: &mut D,
    request: &JoinRequest,
) -> Result<(), StorageError> {
    let (shards, hash) = (request.shard_count.get(), request.shard_hash_version);
    let shards = setting(driver, SHARD_COUNT, shards).await?;
    let hash = setting(driver, SHARD_HASH_VERSION, hash).await?;
    request.check_settings(shards, hash)
}

async fn setting<D: Driver>(
    driver: &mut D,
    name: &'static str,
    given: u32,
) -> Result<u32, StorageError> {
    match meta(driver, name).await? {
        Some(stored) => u32::try_from(stored).map_err(|_| StorageError::Corrupt {
            table: "meta",
            reason: format!("{name} is {stored}"),
        }),
        None => set_meta(driver, name, given.into()).await.map(|()| given),
    }
}

/// The number of a shard group; a new name gets the next one.
async fn group<D: Driver>(driver: &mut D, name: &Arc<str>) -> Result<ShardGroup, StorageError> {
    let name = Value::Bytes(name.as_bytes());
    if let Some(number) = driver.first(Sql::Group, &[name], read_number).await? {
        return Ok(ShardGroup(number));
    }
    let place = driver.first(Sql::CountGroups, &[], read_number).await?.unwrap_or(0_usize);
    let group = ShardGroup::numbered(place)?;
    driver.execute(Sql::InsertGroup, &[u32::from(group.0).into(), name]).await?;
    Ok(group)
}

/// Takes shards that nobody owns.
pub(crate) async fn take_shards<D: Driver>(
    driver: &mut D,
    fence: Fence,
    shards: &[ShardId],
) -> Result<Vec<TakenShard>, StorageError> {
    check_fence(driver, fence).await?;
    let mut taken = Vec::with_capacity(shards.len());
    let owner = integer(fence.incarnation.as_u64()).into();
    for shard in shards {
        let values = [shard.as_u32().into(), owner];
        driver.execute(Sql::TakeShard, &values).await?;
        if let Some(epoch) = driver.first(Sql::OwnedShard, &values, read_number).await? {
            taken.push(TakenShard { shard: *shard, epoch: Epoch::new(epoch) });
        }
    }
    Ok(taken)
}

/// Raises the fence number by one, or finds that an earlier call has.
pub(crate) async fn raise_fence<D: Driver>(
    driver: &mut D,
    fence: Fence,
) -> Result<Fence, StorageError> {
    let raised = fence.raised();
    let values =
        [integer(fence.incarnation.as_u64()).into(), integer(fence.number.as_u64()).into()];
    if driver.execute(Sql::RaiseFence, &values).await? == 0 {
        // An earlier call with this fence may have raised it already.
        check_fence(driver, raised).await.map_err(|error| match error {
            StorageError::Fenced { .. } => fence.lost(),
            other => other,
        })?;
    }
    Ok(raised)
}

/// Ends an incarnation.
pub(crate) async fn leave<D: Driver>(driver: &mut D, fence: Fence) -> Result<(), StorageError> {
    let incarnation = [integer(fence.incarnation.as_u64()).into()];
    driver.execute(Sql::EndFence, &incarnation).await?;
    driver.execute(Sql::FreeShards, &incarnation).await.map(drop)
}

/// The highest `seq` that a request has or had.
pub(crate) async fn highest_seq<D: Driver>(driver: &mut D) -> Result<Seq, StorageError> {
    let stored = driver.first(Sql::HighestSeq, &[], |row| Ok(row.integer(0))).await?.flatten();
    let retired = meta(driver, HIGHEST_SEQ).await?;
    let highest = stored.max(retired).unwrap_or(0);
    Ok(Seq::new(highest.cast_unsigned()))
}

/// A removed request still counts for the highest `seq`.
pub(crate) async fn remember_highest<D: Driver>(
    driver: &mut D,
    seq: Seq,
) -> Result<(), StorageError> {
    let seq = integer(seq.as_u64());
    if meta(driver, HIGHEST_SEQ).await?.is_none_or(|highest| highest < seq) {
        set_meta(driver, HIGHEST_SEQ, seq).await?;
    }
    Ok(())
}

/// How far cluster time is ahead of the clock, in milliseconds.
pub(crate) async fn time_offset_ms<D: Driver>(driver: &mut D) -> Result<i64, StorageError> {
    Ok(meta(driver, TIME_OFFSET_MS).await?.unwrap_or(0))
}

/// A number of the cluster.
pub(crate) async fn meta<D: Driver>(
    driver: &mut D,
    name: &str,
) -> Result<Option<i64>, StorageError> {
    let read = |row: &dyn Columns| Reader::new(row, "meta").integer(0);
    driver.first(Sql::Meta, &[Value::Text(name)], read).await
}

/// Stores a number of the cluster.
pub(crate) async fn set_meta<D: Driver>(
    driver: &mut D,
    name: &str,
    value: i64,
) -> Result<(), StorageError> {
    driver.execute(Sql::SetMeta, &[Value::Text(name), value.into()]).await.map(drop)
}

fn read_number<T: TryFrom<i64>>(columns: &dyn Columns) -> Result<T, StorageError> {
    Reader::new(columns, "shard").number(0)
}

pub(crate) fn read_runner(columns: &dyn Columns) -> Result<RunnerRow, StorageError> {
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
