//! Taking shards.

use cluster_core::id::{Epoch, ShardId};
use cluster_core::storage::{Fence, StorageError, TakenShard};

use super::error::sure;
use super::parameter::Array;
use super::session::Session;
use super::texts::Own;
use crate::batch::check_fence;
use crate::value::{Columns, Reader, integer};

/// Takes shards that nobody owns, all by one statement: a runner starts with hundreds of them.
pub(super) async fn take_shards(
    session: &mut Session,
    fence: Fence,
    shards: &[ShardId],
) -> Result<Vec<TakenShard>, StorageError> {
    check_fence(session, fence).await?;
    let mut arguments = session.arguments();
    arguments.add_array(Array::integers(shards.iter().map(|shard| shard.as_u32().into())));
    arguments.add(integer(fence.incarnation.as_u64()));
    let text = session.texts.own(Own::TakeShards).clone();
    let rows = session.rows(&text, arguments).await.map_err(sure)?;
    rows.iter().map(|row| read_taken(row)).collect()
}

fn read_taken(columns: &dyn Columns) -> Result<TakenShard, StorageError> {
    let read = Reader::new(columns, "shard");
    Ok(TakenShard { shard: ShardId::new(read.number(0)?), epoch: Epoch::new(read.number(1)?) })
}
