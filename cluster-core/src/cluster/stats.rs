//! What a runner has and does, in figures.

use std::sync::Arc;

use crate::entity::Runner;
use crate::id::Incarnation;

/// A look at a cluster. What is counted only grows, so the difference of two looks by the time
/// between them is a rate. The figures are taken one after the other while everything goes on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Stats {
    /// Entities in memory.
    pub resident_entities: usize,
    /// Requests that wait in mailboxes.
    pub waiting_requests: usize,
    /// Requests that wait in memory for their time, at most `schedule_max` of them: scheduled ones,
    /// reminders, and those in retry back-off. Those further off are in the storage only.
    pub armed_requests: usize,
    /// Handlers that were started since this runner started.
    pub handlers_started: u64,
    /// Volatile streams that are read here.
    pub open_streams: usize,
    /// Units that wait for the next transaction of the committer.
    pub commit_queue_units: usize,
    /// Shards that this runner owns; none once it has ended.
    pub shards: usize,
    /// Which start of a runner this is in its database.
    pub incarnation: Incarnation,
    /// By entity type, sorted by name; none once the cluster has ended.
    pub types: Vec<EntityStats>,
}

/// A look at one entity type.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EntityStats {
    /// The name of the type.
    pub entity_type: Arc<str>,
    /// Records of entities: those in memory, and those that handles hold on to.
    pub records: usize,
    /// Entities in memory.
    pub resident: usize,
    /// Requests that wait in mailboxes.
    pub waiting: usize,
    /// Handlers that were started since this runner started.
    pub handlers_started: u64,
}

impl Stats {
    pub(super) fn of(runner: &Runner) -> Self {
        let look = |kind: &Arc<dyn crate::entity::AnyKind>| {
            let present = kind.present();
            EntityStats {
                entity_type: kind.name().clone(),
                records: kind.count(),
                resident: present.resident,
                waiting: present.waiting,
                handlers_started: kind.metrics().started.total(),
            }
        };
        let mut types: Vec<EntityStats> = runner.all_kinds().iter().map(look).collect();
        types.sort_by(|a, b| a.entity_type.cmp(&b.entity_type));
        let shards = runner.config.shard_count.get() as usize * runner.groups.len();
        Stats {
            resident_entities: runner.residents.count(),
            waiting_requests: types.iter().map(|of| of.waiting).sum(),
            armed_requests: runner.schedule.armed(),
            handlers_started: types.iter().map(|of| of.handlers_started).sum(),
            open_streams: runner.streams.count(),
            commit_queue_units: runner.committer.waiting(),
            shards: if runner.gate.is_closed() { 0 } else { shards },
            incarnation: runner.committer.fence().incarnation,
            types,
        }
    }
}
