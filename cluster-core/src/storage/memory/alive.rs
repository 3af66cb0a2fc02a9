//! Entities kept alive, of the reference storage.

use std::ops::Bound;

use super::store::Store;
use crate::storage::StorageError;
use crate::storage::alive::{Alive, AliveScan, AliveWrite};
use crate::storage::ownership::Fence;
use crate::storage::rows::StateKey;

impl Store {
    pub(super) fn set_alive(&mut self, write: &AliveWrite) {
        let StateKey { shard, entity_type, entity_id } = write.key.clone();
        match write.alive {
            Alive::Kept => _ = self.alive.insert((entity_type, entity_id), shard),
            Alive::Released => _ = self.alive.remove(&(entity_type, entity_id)),
        }
    }

    pub(super) fn load_kept_alive(
        &self,
        fence: Fence,
        scan: &AliveScan,
    ) -> Result<Vec<StateKey>, StorageError> {
        self.check(fence)?;
        let after = scan.after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let behind = self.alive.range((after, Bound::Unbounded));
        let owned = behind.filter(|(_, shard)| {
            self.shards.get(shard).and_then(|shard| shard.owner) == Some(fence.incarnation)
        });
        let keys = owned.map(|((entity_type, entity_id), shard)| StateKey {
            shard: *shard,
            entity_type: entity_type.clone(),
            entity_id: entity_id.clone(),
        });
        Ok(keys.take(scan.limit).collect())
    }
}
