//! Entities: contracts that generated code implements, typed calls, mailboxes, instances.
//!
//! The way of a call: `handle` → `call` → `endpoint` → `run` (volatile) or `submit` (persisted) →
//! `mailbox` of the `slot` → a `turn` of the handler → `conclude` → committer → reply.

mod activate;
mod activity;
mod alarms;
mod arguments;
mod bells;
mod call;
mod cancel;
mod clear;
mod conclude;
mod context;
mod contract;
mod deadlines;
mod delayed;
mod directory;
mod encoded;
mod endpoint;
mod executions;
mod failure;
mod filter;
mod generated;
mod handle;
mod hold;
mod inner;
mod intake;
mod job;
mod keep_alive;
mod kind;
mod later;
mod lease;
mod mailbox;
mod method;
mod options;
mod origin;
mod outcome;
mod outstanding;
mod pinned;
mod recording;
mod redrive;
mod remind;
mod residents;
mod run;
mod schedule;
mod schema;
mod send;
mod shared;
mod slot;
mod states;
mod stream;
mod submit;
mod tasks;
mod trace;
mod transact;
mod transaction;
mod turn;
mod waiters;
mod watch;
mod wire;

pub use arguments::{Arguments, Fields, read_arguments, write_arguments};
pub use bytes::Bytes;
pub use call::{Call, CallFuture};
pub use cancel::Cancelled;
pub use context::Context;
pub(crate) use contract::ContractOf;
pub use contract::{
    Client, Contract, DefaultEntity, Deliver, Durable, Entity, Message, Persisted, ServedBy,
    Serves, ServesTrait, Volatile,
};
pub use filter::{CallInfo, GivenUp};
pub use generated::{Changed, HookResult, PlainValue, Returned, ReturnedPlain, context, schemas};
pub use handle::Handle;
pub use later::{Later, Postponed, Reply};
pub use method::{Exclusive, ExclusiveFn, Method, ReturnOf, Shared, SharedFn};
pub use options::{Access, Delivery, EntityOptions, MessageInfo, OnPanic, RetryOptions, StateKind};
pub use outcome::{Answer, AnyResult, Fallible, Lifted, Outcome, Plain, Verdict};
pub use remind::{Caller, IsReminder, Reminder, ReminderHandle};
pub use schema::MessageSchema;
pub use send::{Receipt, SendCall};
pub use stream::{
    Chunks, Stream, StreamCall, StreamFuture, StreamMessage, StreamOf, StreamReceipt, Streams,
    StreamsMut, Unstored, stream,
};
pub use trace::TraceBridge;
pub use transaction::Transaction;
pub use wire::Wire;

pub(crate) use alarms::{Alarms, run_alarms};
pub(crate) use bells::Bell;
pub(crate) use cancel::{Cancels, cancel, find, write};
pub(crate) use clear::clear;
pub(crate) use deadlines::{Deadlines, watch_deadlines};
pub(crate) use executions::EXECUTIONS_OF;
pub(crate) use failure::{decode_error, decode_reply, encode_error, failure_shape, not_committed};
pub(crate) use filter::{Filter, GivenUpHook};
pub(crate) use hold::{HeldSince, held};
pub(crate) use intake::{Intake, load_pending};
pub(crate) use keep_alive::{Keeper, bring_back_kept};
pub(crate) use kind::{AnyKind, Factory, Kind, Limits, Schemas, Shards};
pub(crate) use lease::Lease;
pub(crate) use recording::{Place, Record};
pub(crate) use redrive::{redrive, release_held, reset};
pub(crate) use remind::reminded;
pub(crate) use residents::Residents;
pub(crate) use schedule::{Schedule, load_due, run_schedule};
pub(crate) use shared::{Gate, Kinds, Shared as Runner};
pub(crate) use states::States;
pub(crate) use stream::OpenStreams;
pub(crate) use submit::dead_letter;
pub(crate) use tasks::Tasks;
pub(crate) use waiters::Waiters;
