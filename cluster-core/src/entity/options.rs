//! What attributes declare.

use std::time::Duration;

use crate::id::MessageTag;

/// What `#[message(..)]` declared of one message.
#[derive(Debug, Clone, Copy)]
pub struct MessageInfo {
    /// The name, from the method or from `name = ".."`.
    pub name: &'static str,
    /// What is stored with a request: the hash of the name, or `tag = ..`.
    pub tag: MessageTag,
    /// Its place in the dispatch table.
    pub index: usize,
    /// Durable before the handler starts, or not.
    pub delivery: Delivery,
    /// `&mut self` or `&self`.
    pub access: Access,
    /// `timeout = ".."`: the default timeout of its calls.
    pub timeout: Option<Duration>,
    /// `uninterruptible`: runs to its end when its caller is gone.
    pub uninterruptible: bool,
    /// `transaction` was declared in any form.
    pub transaction: bool,
    /// Whether the handler takes `&Context`.
    pub context: bool,
    /// The names of the arguments.
    pub arguments: &'static [&'static str],
}

/// Whether a message is stored before its handler starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// At most once.
    Volatile,
    /// Until one outcome is committed.
    Persisted,
}

/// How a handler borrows the entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// `&self`: beside other `&self` handlers.
    Shared,
    /// `&mut self`: alone.
    Exclusive,
}

/// Which part of an entity is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StateKind {
    /// Nothing.
    None,
    /// The whole struct: `#[entity(durable)]`.
    Whole,
    /// The field marked `#[state]`.
    Field,
}

/// What happens to a persisted request whose handler panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnPanic {
    /// It is retried with back-off, then becomes a dead letter.
    Retry,
    /// Its outcome is `Defect` at once.
    Defect,
}

/// What `#[entity(..)]` after the derive declared; `None` is the cluster's default. Values given at
/// registration win.
#[derive(Debug, Clone, Copy, Default)]
pub struct EntityOptions {
    /// `mailbox = 1024`: how many requests may wait.
    pub mailbox: Option<usize>,
    /// `idle = "5m"`: after this time without a call the entity leaves memory.
    pub idle: Option<Duration>,
    /// `concurrency = 8`: how many `&self` handlers run at once.
    pub concurrency: Option<usize>,
    /// `group = ".."`: the shard group.
    pub group: Option<&'static str>,
    /// `attempts = 10`: attempts at a persisted request whose handler panics.
    pub attempts: Option<u32>,
    /// `on_panic = "retry" | "defect"`.
    pub on_panic: Option<OnPanic>,
    /// `strict_order`: nothing of the entity starts while an earlier persisted request has not
    /// ended, also not while that one is in back-off or held. Costs running ahead of the commit.
    pub strict_order: Option<bool>,
}

impl EntityOptions {
    /// Everything as the cluster's defaults say.
    pub const DEFAULT: EntityOptions = EntityOptions {
        mailbox: None,
        idle: None,
        concurrency: None,
        group: None,
        attempts: None,
        on_panic: None,
        strict_order: None,
    };
}
