//! What stands of single entities: written and read here alone.

use cluster_core::id::Seq;
use cluster_core::storage::{
    EntityRequest, EntityScan, ReminderRow, ReminderWrite, RemovalWrite, StateKey, StorageError,
};

use super::driver::Driver;
use super::ownership::HIGHEST_SEQ;
use super::sql::Sql;
use super::value::{Columns, Reader, Value, integer};

/// Where a request may stand, and what may stand beside it.
const EVERYWHERE: [Sql; 10] = [
    Sql::DeletePending,
    Sql::DeleteDue,
    Sql::DeleteHeld,
    Sql::DeleteDead,
    Sql::DeleteAttempt,
    Sql::DeleteOutcome,
    Sql::DeleteJournal,
    Sql::DeleteDeferreds,
    Sql::DeleteChunks,
    Sql::DeleteRequest,
];

/// How many rows are looked at in one go for those of an entity: a few milliseconds, after which
/// others read. As it stands in a text.
macro_rules! entity_window {
    () => {
        10000
    };
}
pub(crate) use entity_window;

const WINDOW_ROWS: i64 = entity_window!();

/// Looks for requests of an entity in one window after the other, until there are enough.
///
/// # Errors
/// The first of a look.
pub(crate) async fn in_windows<F>(
    mut scan: EntityScan,
    look: impl Fn(EntityScan) -> F,
) -> Result<Vec<EntityRequest>, StorageError>
where
    F: Future<Output = Result<(Vec<EntityRequest>, Option<Seq>), StorageError>>,
{
    let mut found = Vec::new();
    loop {
        let window = EntityScan { limit: scan.limit - found.len(), ..scan.clone() };
        let (rows, end) = look(window).await?;
        found.extend(rows);
        match end {
            Some(end) if found.len() < scan.limit => scan.after = end,
            _ => return Ok(found),
        }
    }
}

/// Writes what a reminder is from now on.
pub(crate) async fn remind<D: Driver>(
    driver: &mut D,
    write: &ReminderWrite,
) -> Result<(), StorageError> {
    let StateKey { shard, entity_type, entity_id } = &write.key.entity;
    let entity_type = Value::Bytes(entity_type.as_bytes());
    let message = write.key.message.as_u64().cast_signed().into();
    match &write.to {
        None => {
            let values = [entity_type, entity_id.into(), message];
            driver.execute(Sql::DeleteReminder, &values).await
        }
        Some(row) => {
            let request = row.request.to_bytes();
            let values: [Value<'_>; 7] = [
                entity_type,
                entity_id.into(),
                message,
                shard.as_u32().into(),
                integer(write.epoch.as_u64()).into(),
                row.occurrence.into(),
                Value::Bytes(&request),
            ];
            driver.execute(Sql::SetReminder, &values).await
        }
    }
    .map(drop)
}

/// Forgets requests wherever they stand. They still count for the highest `seq`.
pub(crate) async fn remove<D: Driver>(
    driver: &mut D,
    removals: &[RemovalWrite],
) -> Result<(), StorageError> {
    for removal in removals {
        for place in EVERYWHERE {
            driver.execute(place, &[removal.seq.into()]).await?;
        }
    }
    let Some(highest) = removals.iter().map(|removal| removal.seq).max() else { return Ok(()) };
    let values = [Value::Text(HIGHEST_SEQ), highest.into()];
    driver.execute(Sql::RaiseMeta, &values).await.map(drop)
}

/// Forgets an entity's state and reminders.
pub(crate) async fn forget<D: Driver>(
    driver: &mut D,
    entity: &StateKey,
) -> Result<(), StorageError> {
    let values = [Value::Bytes(entity.entity_type.as_bytes()), (&entity.entity_id).into()];
    driver.execute(Sql::DeleteState, &values).await?;
    driver.execute(Sql::DeleteAlive, &values).await?;
    driver.execute(Sql::DeleteReminders, &values).await.map(drop)
}

/// Until where one window of rows goes that is looked at for those of an entity.
pub(crate) fn window_values(scan: &EntityScan) -> [Value<'_>; 3] {
    [scan.entity.shard.as_u32().into(), scan.after.into(), WINDOW_ROWS.into()]
}

/// The values by which the requests of an entity are listed, up to the end of a window; `None`: of
/// all that there are.
pub(crate) fn scan_values(scan: &EntityScan, end: Option<Seq>) -> [Value<'_>; 6] {
    let EntityScan { entity, after, limit } = scan;
    [
        entity.shard.as_u32().into(),
        (*after).into(),
        end.map_or(i64::MAX.into(), Value::from),
        Value::Bytes(entity.entity_type.as_bytes()),
        (&entity.entity_id).into(),
        i64::try_from(*limit).unwrap_or(i64::MAX).into(),
    ]
}

/// Reads where a window ends.
pub(crate) fn read_end_of_window(columns: &dyn Columns) -> Result<Seq, StorageError> {
    Reader::new(columns, "request").seq(0)
}

/// Reads a reminder.
pub(crate) fn read_reminder(columns: &dyn Columns) -> Result<ReminderRow, StorageError> {
    let read = Reader::new(columns, "reminder");
    Ok(ReminderRow { occurrence: read.seq(0)?, request: read.request_id(1)? })
}

/// Reads what is listed of an entity's requests.
pub(crate) fn read_request_of(columns: &dyn Columns) -> Result<EntityRequest, StorageError> {
    let read = Reader::new(columns, "request");
    let finished = read.integer(2)? != 0;
    Ok(EntityRequest { seq: read.seq(0)?, id: read.request_id(1)?, finished })
}
