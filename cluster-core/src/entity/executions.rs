//! What is counted of a workflow's executions.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::metric;
use crate::storage::OutcomeKind;

/// What the name of an entity type begins with whose entities are executions; the name of the
/// workflow follows.
pub(crate) const EXECUTIONS_OF: &str = "workflow:";

/// The executions of one workflow, by state and by end.
pub(crate) struct ExecutionCount {
    workflow: Arc<str>,
    running: AtomicUsize,
    waiting: AtomicUsize,
    running_gauge: metrics::Gauge,
    waiting_gauge: metrics::Gauge,
    /// By [`OutcomeKind`].
    ended: [metrics::Counter; 4],
}

impl ExecutionCount {
    /// Of the workflow whose executions are entities of this type, if they are.
    pub(super) fn of(entity_type: &str) -> Option<Arc<Self>> {
        let workflow = entity_type.strip_prefix(EXECUTIONS_OF)?;
        let gauge = |state: &'static str| {
            let workflow = workflow.to_owned();
            metrics::gauge!(metric::WORKFLOWS, "workflow" => workflow, "state" => state)
        };
        let ended = |end: &'static str| {
            let workflow = workflow.to_owned();
            metrics::counter!(metric::WORKFLOWS_ENDED, "workflow" => workflow, "end" => end)
        };
        Some(Arc::new(ExecutionCount {
            workflow: workflow.into(),
            running: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            running_gauge: gauge("running"),
            waiting_gauge: gauge("waiting"),
            ended: ["finished", "failed", "broken", "interrupted"].map(ended),
        }))
    }

    /// Its workflow's name.
    pub(crate) fn workflow(&self) -> &Arc<str> {
        &self.workflow
    }

    /// How many runs work, and how many wait.
    pub(crate) fn now(&self) -> (usize, usize) {
        (self.running.load(Ordering::Relaxed), self.waiting.load(Ordering::Relaxed))
    }

    /// A run has begun.
    pub(super) fn came(&self) {
        self.running.fetch_add(1, Ordering::Relaxed);
    }

    /// A run waits from now on, or works again.
    pub(super) fn moved(&self, waits: bool) {
        let (from, to) = self.both(waits);
        from.fetch_sub(1, Ordering::Relaxed);
        to.fetch_add(1, Ordering::Relaxed);
    }

    /// A run that waited, or did not, is over.
    pub(super) fn left(&self, waited: bool) {
        self.both(waited).1.fetch_sub(1, Ordering::Relaxed);
    }

    /// The state of those that do not, then that of those that do.
    fn both(&self, waits: bool) -> (&AtomicUsize, &AtomicUsize) {
        match waits {
            true => (&self.running, &self.waiting),
            false => (&self.waiting, &self.running),
        }
    }

    /// The end of an execution is stored.
    pub(super) fn ended(&self, how: OutcomeKind) {
        self.ended[usize::from(how.as_u8())].increment(1);
    }

    /// Tells the metrics.
    pub(super) fn publish(&self) {
        let (running, waiting) = self.now();
        self.running_gauge.set(running as f64);
        self.waiting_gauge.set(waiting as f64);
    }

    /// Tells the metrics that nothing runs here any more.
    pub(super) fn count_out(&self) {
        self.running_gauge.set(0.0);
        self.waiting_gauge.set(0.0);
    }
}
