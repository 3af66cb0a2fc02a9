//! Runners, fences and shards of the reference storage.

use std::sync::Arc;
use std::time::Duration;

use super::store::{Runner, Store};
use crate::id::{FenceNumber, Incarnation, MachineId, ShardId};
use crate::storage::StorageError;
use crate::storage::ownership::{
    Fence, JoinRequest, Joined, RUNNERS_LISTED, RunnerRow, ShardGroup, TakenShard,
};
use crate::time::ClusterTime;

impl Store {
    pub(super) fn join(
        &mut self,
        request: &JoinRequest,
        now: ClusterTime,
    ) -> Result<Joined, StorageError> {
        let given = (request.shard_count, request.shard_hash_version);
        let stored = *self.settings.get_or_insert(given);
        request.check_settings(stored.0.get(), stored.1)?;
        let groups = self.number_groups(&request.groups)?;

        let earlier: Vec<Incarnation> = self.fences.keys().copied().collect();
        earlier.into_iter().for_each(|incarnation| self.end(incarnation));
        let incarnation = Incarnation::new(self.last_incarnation.as_u64() + 1);
        let number = FenceNumber::new(1);
        self.last_incarnation = incarnation;
        self.fences.insert(incarnation, number);
        let fence = Fence { incarnation, number };
        let machine = MachineId::of_incarnation(incarnation);
        let runner = Runner {
            machine,
            advertised: request.advertised.clone(),
            joined_at: now.now,
            lease_ends_at: now.now.after(request.lease),
        };
        self.runners.insert(incarnation, runner);
        if self.runners.len() > RUNNERS_LISTED {
            self.runners.pop_first();
        }
        let reached = *self.reached.get_or_insert(now.now);
        Ok(Joined { fence, machine, groups, now, reached })
    }

    pub(super) fn renew(
        &mut self,
        fence: Fence,
        now: ClusterTime,
        lease: Duration,
    ) -> Result<ClusterTime, StorageError> {
        self.check(fence)?;
        let runner = self.runners.get_mut(&fence.incarnation).ok_or(fence.lost())?;
        runner.lease_ends_at = now.now.after(lease);
        Ok(now)
    }

    pub(super) fn runners(&self) -> Vec<RunnerRow> {
        let row = |(incarnation, runner): (&Incarnation, &Runner)| RunnerRow {
            incarnation: *incarnation,
            machine: runner.machine,
            advertised: runner.advertised.clone(),
            joined_at: runner.joined_at,
            lease_ends_at: runner.lease_ends_at,
            alive: self.fences.contains_key(incarnation),
        };
        self.runners.iter().map(row).collect()
    }

    /// The numbers of groups; new names get the next ones.
    fn number_groups(&mut self, names: &[Arc<str>]) -> Result<Vec<ShardGroup>, StorageError> {
        let mut known = self.groups.clone();
        let mut numbers = Vec::with_capacity(names.len());
        for name in names {
            let place = known.iter().position(|known| known == name).unwrap_or_else(|| {
                known.push(name.clone());
                known.len() - 1
            });
            numbers.push(ShardGroup::numbered(place)?);
        }
        self.groups = known;
        Ok(numbers)
    }

    pub(super) fn take_shards(
        &mut self,
        fence: Fence,
        shards: &[ShardId],
    ) -> Result<Vec<TakenShard>, StorageError> {
        self.check(fence)?;
        let mut taken = Vec::with_capacity(shards.len());
        for id in shards {
            let shard = self.shards.entry(*id).or_default();
            if shard.owner.is_none() {
                shard.owner = Some(fence.incarnation);
                shard.epoch = shard.epoch.next();
            }
            if shard.owner == Some(fence.incarnation) {
                taken.push(TakenShard { shard: *id, epoch: shard.epoch });
            }
        }
        Ok(taken)
    }

    pub(super) fn raise_fence(&mut self, fence: Fence) -> Result<Fence, StorageError> {
        let raised = fence.raised();
        match self.fences.get_mut(&fence.incarnation) {
            Some(number) if *number == fence.number || *number == raised.number => {
                *number = raised.number;
                Ok(raised)
            }
            _ => Err(fence.lost()),
        }
    }

    /// Ends an incarnation: its fence is gone, its shards are free.
    pub(super) fn end(&mut self, incarnation: Incarnation) {
        self.fences.remove(&incarnation);
        for shard in self.shards.values_mut() {
            if shard.owner == Some(incarnation) {
                shard.owner = None;
            }
        }
    }
}
