//! Stateful entities that live somewhere in a cluster, addressed by type and id, called through
//! typed clients that macros generate, with every durable message and state change kept in SQL.
//!
#![cfg_attr(feature = "sqlite", doc = "```rust,no_run")]
#![cfg_attr(feature = "sqlite", doc = include_str!("../examples/counter.rs"))]
#![cfg_attr(feature = "sqlite", doc = "```")]
//!
//! Where to go on:
//!
//! - [`guide`]: entities, delivery, state, streams, workflows, testing, observability: one page
//!   each.
//! - [`entity`] and [`Entity`]: the attributes of a block, of its messages and of a type.
//! - [`ClusterBuilder`]: what a cluster hosts, where it stores, who may call; [`Config`]: limits.
//! - [`Call`]: what a caller may set; [`ClusterError`] and [`CallError`]: what a call can end with.
//! - [`Context`]: what a handler knows and may do, own SQL in its commit included.
//! - [`guide::workflows`] and [`workflow`]: durable functions.
//! - [`testing`]: a cluster in a test's own process, on a clock that the test moves.
//!
//! A program depends on `serde` with its `derive` feature as well: the derives that the [`prelude`]
//! re-exports expand to its name.

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub use cluster_core::cluster::{
    Cluster, ClusterBuilder, DeadLetter, DeadLetters, EntityStats, Error, Hold, Holds, IntoStorage,
    Result, StartError, Stats, WorkflowStats,
};
pub use cluster_core::codec::Json;
pub use cluster_core::config::{BadSetting, Config, Setting};
pub use cluster_core::entity::{
    Call, CallFuture, CallInfo, Cancelled, Chunks, Context, EntityOptions, Later, OnPanic, Receipt,
    Reminder, Reply, RetryOptions, Stream, StreamCall, StreamFuture, StreamReceipt, TraceBridge,
    Transaction,
};
pub use cluster_core::error::{CallError, ClusterError, NoError, OrRetry, Refused};
pub use cluster_core::id::{
    Address, EntityId, ExecutionId, Key, RequestId, ShardCount, ShardId, Snowflake, Snowflakes,
};
pub use cluster_core::message::TraceContext;
pub use cluster_core::workflow::{
    Completion, Deferred, DeferredFailed, DeferredToken, ExecutionHandle, Progress, Start,
    Workflow, step_key,
};
pub use cluster_core::{codec, contract, id, message, metric, storage, testing, time};
pub use cluster_macros::{Entity, activate, deactivate, entity, message, run, step, workflow};
#[cfg(feature = "mysql")]
pub use cluster_sql::{MySql, MySqlOptions};
#[cfg(feature = "postgres")]
pub use cluster_sql::{Postgres, PostgresOptions};
#[cfg(feature = "sqlite")]
pub use cluster_sql::{Sqlite, SqliteOptions, Synchronous};

pub mod guide;

/// Everything a program needs, in one import.
pub mod prelude {
    pub use std::time::Duration;

    pub use cluster_macros::{Entity, activate, deactivate, entity, message, run, step, workflow};
    pub use serde::{Deserialize, Serialize};

    #[cfg(feature = "mysql")]
    pub use crate::MySql;
    #[cfg(feature = "postgres")]
    pub use crate::Postgres;
    #[cfg(feature = "sqlite")]
    pub use crate::Sqlite;
    pub use crate::storage::{MemoryStorage, Storage};
    pub use crate::{
        CallError, CallInfo, Cluster, ClusterError, Context, EntityId, Json, Key, Later, OrRetry,
        Receipt, Refused, Reply, RequestId, Stream, StreamReceipt, Workflow,
    };
}

/// What generated code names. Not for use by hand; may change with any release.
#[doc(hidden)]
pub mod __private {
    pub use cluster_core::codec::{DecodeError, EncodeError};
    pub use cluster_core::contract::{Schema, TraceError};
    pub use cluster_core::entity::{
        Access, AnyResult, Arguments, Bytes, Call, Caller, Changed, Client, Context, Contract,
        DefaultEntity, Deliver, Delivery, Durable, Entity, EntityOptions, Exclusive, ExclusiveFn,
        Fallible, Fields, Handle, HookResult, IsReminder, Lifted, Message, MessageInfo,
        MessageSchema, Method, OnPanic, Outcome, Persisted, Plain, Postponed, ReminderHandle,
        RetryOptions, ReturnOf, Returned, ReturnedPlain, ServedBy, Serves, ServesTrait, Shared,
        SharedFn, StateKind, StreamCall, StreamMessage, StreamOf, Streams, StreamsMut, Unstored,
        Volatile, Wire, context, read_arguments, schemas, stream, write_arguments,
    };
    pub use cluster_core::error::{ClusterError, NoError, Source};
    pub use cluster_core::id::MessageTag;
    pub use cluster_core::storage::BoxFuture;
    pub use cluster_core::workflow::{
        ExecutionHandle, Executions, Start, StartAndWait, StepInfo, StepType, Workflow,
        WorkflowClient, WorkflowType, step, step_type,
    };
    pub use serde;
}

/// The README's programs are compiled as doctests.
#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../README.md")]
struct Readme;
