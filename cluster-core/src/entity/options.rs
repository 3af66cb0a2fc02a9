//! What attributes declare.

use std::time::Duration;

pub use crate::config::OnPanic;
use crate::config::Retry;
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
    /// `fenced`: the storage confirms that this runner is the owner before the reply leaves.
    pub fenced: bool,
    /// `transaction` was declared in any form.
    pub transaction: bool,
    /// How a persisted request is tried again.
    pub retry: RetryOptions,
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

/// `attempts`, `backoff_min`, `backoff_max` and `on_panic` of one message: how a persisted request
/// is tried again. `None` is as its entity type says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RetryOptions {
    /// `attempts = 3`: attempts at a request whose handler panics.
    pub attempts: Option<u32>,
    /// `backoff_min = "1s"`: the wait before the second attempt; grows with each.
    pub backoff_min: Option<Duration>,
    /// `backoff_max = "1h"`: the longest wait between two attempts.
    pub backoff_max: Option<Duration>,
    /// `on_panic = "retry" | "defect"`.
    pub on_panic: Option<OnPanic>,
}

impl RetryOptions {
    /// Everything as the entity type says.
    pub const DEFAULT: RetryOptions =
        RetryOptions { attempts: None, backoff_min: None, backoff_max: None, on_panic: None };

    /// This policy where it says something, otherwise the given one. A longest wait that is shorter
    /// than the first one is taken to be as long.
    pub(crate) fn or(&self, outer: Retry) -> Retry {
        let backoff_min = self.backoff_min.unwrap_or(outer.backoff_min);
        Retry {
            attempts: self.attempts.unwrap_or(outer.attempts),
            backoff_min,
            backoff_factor: outer.backoff_factor,
            backoff_max: self.backoff_max.unwrap_or(outer.backoff_max).max(backoff_min),
            on_panic: self.on_panic.unwrap_or(outer.on_panic),
        }
    }
}

/// What `#[entity(..)]` after the derive declared; `None` is the cluster's default. Values given at
/// registration win over these; what a message declares of its own retries wins over both.
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
    /// `backoff_min = "100ms"`: the wait before the second attempt; grows with each.
    pub backoff_min: Option<Duration>,
    /// `backoff_max = "30s"`: the longest wait between two attempts.
    pub backoff_max: Option<Duration>,
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
        backoff_min: None,
        backoff_max: None,
        on_panic: None,
        strict_order: None,
    };

    /// What it says of retries.
    pub(crate) fn retry(&self) -> RetryOptions {
        RetryOptions {
            attempts: self.attempts,
            backoff_min: self.backoff_min,
            backoff_max: self.backoff_max,
            on_panic: self.on_panic,
        }
    }
}
