//! What a runner has and does, in figures.

use std::sync::Arc;
use std::time::Duration;

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
    /// How long ago the runner's lease was renewed last.
    pub lease_age: Duration,
    /// By entity type, sorted by name; none once the cluster has ended.
    pub types: Vec<EntityStats>,
    /// By workflow, sorted by name; none once the cluster has ended.
    pub workflows: Vec<WorkflowStats>,
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

/// A look at one workflow: at those of its executions whose run is in memory.
///
/// A start brings back all that have not ended. In neither figure are those that have found no room
/// in memory, that wait for their next attempt, or that wait for people: dead letters and holds.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WorkflowStats {
    /// The name of the workflow.
    pub workflow: Arc<str>,
    /// Executions that work.
    pub running: usize,
    /// Executions that wait for time or for somebody.
    pub waiting: usize,
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
        let kinds = runner.all_kinds();
        let mut types: Vec<EntityStats> = kinds.iter().map(look).collect();
        types.sort_by(|a, b| a.entity_type.cmp(&b.entity_type));
        let executions = kinds.iter().filter_map(|kind| kind.metrics().executions.as_ref());
        let mut workflows: Vec<WorkflowStats> = executions
            .map(|executions| {
                let ((running, waiting), workflow) = (executions.now(), executions.workflow());
                WorkflowStats { workflow: workflow.clone(), running, waiting }
            })
            .collect();
        workflows.sort_by(|a, b| a.workflow.cmp(&b.workflow));
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
            lease_age: runner.lease.age(runner.clock.now()),
            types,
            workflows,
        }
    }
}
