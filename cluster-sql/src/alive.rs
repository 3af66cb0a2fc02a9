//! Entities that are kept alive.

use cluster_core::id::{EntityId, ShardId};
use cluster_core::storage::{Alive, AliveScan, AliveWrite, Fence, StateKey, StorageError};

use super::driver::Driver;
use super::sql::Sql;
use super::value::{Columns, Reader, Value, integer};

/// Writes down whether an entity is kept alive.
pub(crate) async fn set_alive<D: Driver>(
    driver: &mut D,
    write: &AliveWrite,
) -> Result<(), StorageError> {
    let entity_type = Value::Bytes(write.key.entity_type.as_bytes());
    let entity_id = Value::from(&write.key.entity_id);
    let (shard, epoch) = (write.key.shard.as_u32().into(), integer(write.epoch.as_u64()).into());
    match write.alive {
        Alive::Kept => {
            driver.execute(Sql::InsertAlive, &[entity_type, entity_id, shard, epoch]).await?;
        }
        Alive::Released => {
            driver.execute(Sql::DeleteAlive, &[entity_type, entity_id]).await?;
        }
    }
    Ok(())
}

/// The values by which a page of them is loaded.
pub(crate) fn alive_values(fence: Fence, scan: &AliveScan) -> [Value<'_>; 4] {
    // No type has an empty name: all stand behind it.
    let (entity_type, entity_id) = match &scan.after {
        Some((entity_type, entity_id)) => (entity_type.as_bytes(), Value::from(entity_id)),
        None => (&b""[..], Value::Bytes(b"")),
    };
    let limit = i64::try_from(scan.limit).unwrap_or(i64::MAX);
    let owner = integer(fence.incarnation.as_u64());
    [Value::Bytes(entity_type), entity_id, limit.into(), owner.into()]
}

/// Reads which entity is kept alive.
pub(crate) fn read_alive(columns: &dyn Columns) -> Result<StateKey, StorageError> {
    let read = Reader::new(columns, "alive");
    Ok(StateKey {
        entity_type: read.shared_text(0)?,
        entity_id: EntityId::from(read.text(1)?),
        shard: ShardId::new(read.number(2)?),
    })
}
