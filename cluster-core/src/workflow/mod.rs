//! Workflows: durable functions whose progress is kept in a journal.
//!
//! An execution is an entity of a type of its workflow's, and its run is a persisted request to it.
//! So it is accepted, owned, recovered, retried and ended as any other; what a workflow adds is the
//! journal, which tells the body on its next run what has happened before.
//!
//! The way of an execution: `start` → (the way of a persisted request) → `host` → `drive`, which
//! polls the body, and `running`, which its futures (`step`, `sleep`, `deferred`) ask; both ask
//! `replay`, which decides everything and does nothing.

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
