//! Entities: contracts that generated code implements, typed calls, mailboxes, instances.

mod contract;
mod method;
mod options;
mod outcome;

pub use contract::{Client, Contract, DefaultEntity, Entity, Message, NoState, Persisted, ServedBy, Serves, Wire};
pub use method::{Exclusive, ExclusiveFn, Method, Shared, SharedFn};
pub use options::{Access, Delivery, EntityOptions, MessageInfo, OnPanic, StateKind};
pub use outcome::{Fallible, Lifted, NoError, Outcome, Plain, Verdict};
