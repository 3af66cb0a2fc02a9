//! What was declared, as the expander needs it. Whatever contradicts the rules is noted in
//! [`crate::errors`] before; here it is replaced by something that can be expanded.

mod contract;
mod entity;
mod hook;
mod message;
mod returns;
mod workflow;

pub(crate) use contract::{Block, Contract, Owner, Serving};
pub(crate) use entity::{Entity, State};
pub(crate) use hook::{Hook, Hooks};
pub(crate) use message::{Access, Argument, Message, Name, Parameter};
pub(crate) use returns::Returns;
pub(crate) use workflow::{Step, Workflow, WorkflowBlock};
