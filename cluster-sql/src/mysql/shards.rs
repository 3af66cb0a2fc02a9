//! Taking shards.

use std::collections::HashMap;

use cluster_core::id::{Epoch, ShardId};
use cluster_core::storage::{Fence, StorageError, TakenShard};

use super::error::sure;
use super::literal::push_row;
use super::session::Session;
use super::texts::Own;
use crate::batch::check_fence;
use crate::server::ServerSession;
use crate::value::{Reader, Value, integer};

/// Takes shards that nobody owns, all by one statement: a runner starts with hundreds of them. What
/// is accepted at or below their marks, it registers.
pub(super) async fn take_shards(
    session: &mut Session,
    fence: Fence,
    shards: &[ShardId],
) -> Result<Vec<TakenShard>, StorageError> {
    check_fence(session, fence).await?;
    let owner = Value::from(integer(fence.incarnation.as_u64()));
    if !shards.is_empty() {
        let mut rows = String::new();
        for (at, shard) in shards.iter().enumerate() {
            if at > 0 {
                rows.push(',');
            }
            let row = [shard.as_u32().into(), owner, Value::Integer(1), Value::Integer(0)];
            push_row(&mut rows, &row);
        }
        let text = session.texts.with_list(Own::TakeShards, &rows);
        session.simple(text).await.map_err(sure)?;
    }
    session.run(Own::InheritMarks, &[owner]).await.map_err(sure)?;
    let mut owned = HashMap::new();
    for row in &session.rows_of(Own::OwnedShards, &[owner]).await? {
        let read = Reader::new(row, "shard");
        owned.insert(ShardId::new(read.number(0)?), Epoch::new(read.number(1)?));
    }
    let taken = |shard: &ShardId| Some(TakenShard { shard: *shard, epoch: *owned.get(shard)? });
    Ok(shards.iter().filter_map(taken).collect())
}
