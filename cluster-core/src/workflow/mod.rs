//! Workflows: durable functions whose progress is kept in a journal.
//!
//! An execution is an entity of a type of its workflow's, and its run is a persisted request to it.
//! So it is accepted, owned, recovered, retried and ended as any other; what a workflow adds is the
//! journal, which tells the body on its next run what has happened before.
//!
//! The way of an execution: `start` → (the way of a persisted request) → `host` → `drive`, which
//! polls the body, and `running`, which its futures (`step`, `sleep`, `deferred`) ask; both ask
//! `replay`, which decides everything and does nothing.
//!
//! 1. An execution is an entity, and its run is its one persisted, keyed request: acceptance,
//!    recovery, fence, retries, dead letters and the outcome are those of any request.
//! 2. A run hangs its *bell*, loads its journal with one query, and polls the body from its
//!    beginning (`host.rs`). `replay.rs` decides, without time or I/O, which of the things that the
//!    body waits for ends next: first what the journal says, in its order; then what has happened
//!    since, which is recorded.
//! 3. One end is handed over between two polls of the body, in replay as in the first run. So the
//!    order of the journal is all that the body can depend on, and joins and races come out the
//!    same again.
//! 4. What was recorded is written when the body waits; a step begins when nothing is left to
//!    write. The rest goes with the outcome. A message that a step sends is written with the step's
//!    result.
//! 5. A deferred's completion is a row of its own, written by whoever completes it; the first one
//!    holds. It rings the bell after its commit, and the run looks at what is stored after it has
//!    hung the bell: none is missed.

mod ambient;
mod complete;
mod context;
mod deferred;
mod definition;
mod drive;
mod handle;
mod host;
mod pending;
mod replay;
mod running;
mod shapes;
mod sleep;
mod start;
mod step;
mod token;

pub use ambient::step_key;
pub use complete::Completion;
pub(crate) use complete::{complete, fail};
pub use context::Workflow;
pub use deferred::{Deferred, DeferredFailed};
pub use definition::{
    DefaultWorkflow, StepInfo, StepType, WorkflowClient, WorkflowType, step_type, steps,
};
pub use handle::{ExecutionHandle, HandleDeferred, Progress};
pub(crate) use host::Host;
pub use sleep::Sleep;
pub use start::{Executions, Start, StartAndWait};
pub use step::{Step, step};
pub use token::{DeferredToken, InvalidToken};
