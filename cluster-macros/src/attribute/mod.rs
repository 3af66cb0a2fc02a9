//! The arguments of attributes, parsed into typed options. What is unknown, repeated or unusable is
//! an error on its own token; the others are kept.

mod block;
mod duration;
mod entity;
mod entry;
mod message;
mod nearest;
mod retry;
mod workflow;

pub(crate) use block::BlockOptions;
pub(crate) use entity::EntityOptions;
pub(crate) use message::{MessageOptions, Transaction};
pub(crate) use retry::{OnPanic, Retry};
pub(crate) use workflow::{StepOptions, WorkflowOptions};
