//! What a call can end with besides its value.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::id::{Address, EntityId, Key, RequestId};

/// The cause of an error, shared between all who wait for one thing.
pub type Source = Arc<dyn Error + Send + Sync>;

/// Trouble of the cluster, never of the entity's own logic.
///
/// Deliberately without serde: its wire form is a type of its own, and both `From` impls of
/// [`CallError`] compile because of it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// The entity's mailbox has no room. Nothing was run or stored; try again later, or raise
    /// `mailbox`.
    #[error("the mailbox of {address} is full ({limit} requests wait)")]
    MailboxFull {
        /// The entity.
        address: Address,
        /// The mailbox's size.
        limit: usize,
    },
    /// No runner hosts the entity's type.
    #[error("no runner hosts {address}; register the type with `.entity::<..>()` on a runner")]
    NotAssigned {
        /// The entity.
        address: Address,
    },
    /// The owner cannot be reached, and surely did not start the request.
    #[error("the owner of {address} cannot be reached")]
    RunnerUnavailable {
        /// The entity.
        address: Address,
        /// What the connection said.
        #[source]
        source: Source,
    },
    /// The handler may have run and its effect may hold. A persisted request can be asked again
    /// under the same key.
    #[error("it is unknown whether `{message}` of {address} took effect")]
    OutcomeUnknown {
        /// The entity.
        address: Address,
        /// The message.
        message: &'static str,
    },
    /// The caller's time limit came first. A persisted request goes on without its caller.
    #[error("no answer of `{message}` of {address} within {after:?}")]
    Timeout {
        /// The entity.
        address: Address,
        /// The message.
        message: &'static str,
        /// The limit.
        after: Duration,
    },
    /// The storage failed, or something else that the handler needed: nothing was accepted, and
    /// nothing of the handler remains. The source says what it was.
    #[error("the call could not be carried out")]
    Persistence {
        /// What went wrong.
        #[source]
        source: Source,
    },
    /// Something could not be encoded or decoded.
    #[error("`{what}` cannot be encoded or decoded")]
    Malformed {
        /// Which part of which message.
        what: String,
        /// What the codec said.
        #[source]
        source: Source,
    },
    /// Bytes were written with a shape that the reader's type cannot read.
    ///
    /// When a persisted call ends with this, its request is stored, and runs when a program has
    /// started that can read what stands in its way: call again under the same key only.
    #[error("`{what}` was written by an incompatible version of its type")]
    IncompatibleContract {
        /// Which part of which message.
        what: String,
        /// What the codec said.
        #[source]
        source: Source,
    },
    /// The key was used before with other arguments. The first request and its outcome are
    /// untouched.
    #[error("key {key:?} of `{message}` of {address} was used with other arguments")]
    KeyConflict {
        /// The entity.
        address: Address,
        /// The message.
        message: &'static str,
        /// The key.
        key: Key,
    },
    /// The request is stored but waits for something that this cluster lacks. A notice, not an
    /// outcome.
    #[error("request {request} is held: {reason}")]
    Held {
        /// The request.
        request: RequestId,
        /// What is missing.
        reason: String,
    },
    /// The request is not stored: it never was, or it was removed after its retention time.
    #[error("request {request} is not stored (any more)")]
    Retired {
        /// The request.
        request: RequestId,
    },
    /// The handler panicked, or failed in another way that no attempt has mended. For a persisted
    /// request mostly a notice, not an outcome: it is kept as a dead letter.
    #[error("`{message}` of {address} failed{}: {reason}", After(*attempts))]
    Defect {
        /// The entity.
        address: Address,
        /// The message.
        message: String,
        /// Attempts made; zero when it has just ceased to be a dead letter.
        attempts: u32,
        /// The panic's text, or what else was wrong.
        reason: String,
    },
    /// The request was cancelled, or its handler was dropped before its end.
    #[error("interrupted")]
    Interrupted,
    /// The call would wait for itself; or it was awaited while its handler's transaction was open,
    /// in which others may wait for the rows it holds: call before `ctx.transaction()`, or hand the
    /// message over with `.send()`, which leaves with the handler's commit.
    #[error("{}", Chain(chain))]
    Reentrant {
        /// The entities that wait for each other, outermost first; the last is the called one.
        chain: Vec<Address>,
    },
    /// A filter refused the call. Nothing was run or stored.
    #[error("refused: {0}")]
    Refused(Refused),
    /// The entity type has no such message.
    #[error("{entity_type} has no message `{message}`")]
    UnknownMessage {
        /// The entity type.
        entity_type: String,
        /// The message's name, or its tag where the name is unknown.
        message: String,
    },
    /// This cluster is shutting down, or another program has taken its database over, as its log
    /// says then. Nothing of a volatile call was run, but for a `fenced` one, whose answer is void.
    ///
    /// When a persisted call ends with this, its request may be stored: it runs when a program
    /// has started there, unless it has run already. Call again under the same key only.
    #[error("this cluster is shutting down")]
    ShuttingDown,
    /// A named limit was exceeded.
    #[error("{what} is outside of `{limit}`: {actual}, at most {max}")]
    LimitExceeded {
        /// The limit's name, as in the config.
        limit: &'static str,
        /// What exceeded it.
        what: String,
        /// The limit.
        max: usize,
        /// What was given.
        actual: usize,
    },
}

impl ClusterError {
    /// Whether the same call may be made again without a key and without doubling its effect: it
    /// surely did not run.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::MailboxFull { .. }
                | Self::NotAssigned { .. }
                | Self::RunnerUnavailable { .. }
                | Self::Persistence { .. }
        )
    }

    /// Refuses an entity id that is empty or too long, as the first call reports it.
    pub(crate) fn check_id(id: &EntityId, max: usize) -> Result<(), Self> {
        let actual = id.as_str().len();
        let what = match id.check() {
            Err(problem) => format!("the entity id ({problem})"),
            Ok(()) if actual > max => "the bytes of an entity id".to_owned(),
            Ok(()) => return Ok(()),
        };
        Err(Self::LimitExceeded { limit: "entity_id_bytes_max", what, max, actual })
    }

    /// Makes a key, unless it is empty or too long.
    pub(crate) fn key(text: String, max: usize) -> Result<Key, Self> {
        let actual = text.len();
        let what = match Key::new(text) {
            Err(problem) => format!("the key ({problem})"),
            Ok(_) if actual > max => "the bytes of a key".to_owned(),
            Ok(key) => return Ok(key),
        };
        Err(Self::LimitExceeded { limit: "key_bytes_max", what, max, actual })
    }
}

struct Chain<'a>(&'a [Address]);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.split_last() {
            Some((called, waiting)) if waiting.contains(called) => {
                "the call would wait for itself: "
            }
            _ => {
                "no call is awaited while the handler's transaction is open; make it before \
                `ctx.transaction()`, or use `.send()`: "
            }
        })?;
        for (n, address) in self.0.iter().enumerate() {
            write!(f, "{}{address}", if n > 0 { " → " } else { "" })?;
        }
        Ok(())
    }
}

/// A filter's "no", with its reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refused {
    reason: String,
}

impl Refused {
    /// Refuses for this reason; the caller sees the text.
    pub fn new(reason: impl Into<String>) -> Self {
        Refused { reason: reason.into() }
    }

    /// The reason given.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// The error of a handler that has none of its own.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, thiserror::Error,
)]
pub enum NoError {}

/// How a call of a fallible handler can fail: by the handler's own error, or by trouble of the
/// cluster. `?` lifts both into it.
///
/// A handler that calls others and has no error of its own returns `Result<T, CallError>`; its
/// callers get a [`ClusterError`] out of that with `map_err(ClusterError::from)`.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError<E = NoError> {
    /// The handler's own error, equal after every replay.
    #[error(transparent)]
    Entity(E),
    /// Trouble of the cluster.
    #[error(transparent)]
    Cluster(ClusterError),
}

impl<E> CallError<E> {
    /// Turns the entity's error into another's, leaving trouble of the cluster as it is.
    pub fn map_entity<F>(self, map: impl FnOnce(E) -> F) -> CallError<F> {
        match self {
            CallError::Entity(error) => CallError::Entity(map(error)),
            CallError::Cluster(error) => CallError::Cluster(error),
        }
    }
}

impl From<CallError> for ClusterError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Entity(never) => match never {},
            CallError::Cluster(error) => error,
        }
    }
}

impl<E> From<ClusterError> for CallError<E> {
    fn from(error: ClusterError) -> Self {
        CallError::Cluster(error)
    }
}

// The bound is what keeps this apart from the impl above: `ClusterError` has no serde.
impl<E: serde::Serialize + serde::de::DeserializeOwned> From<E> for CallError<E> {
    fn from(error: E) -> Self {
        CallError::Entity(error)
    }
}

/// Turns any error into one that is no outcome: the handler's state rolls back, and a persisted
/// request runs again with back-off.
pub trait OrRetry<T> {
    /// Passes the value on, or turns the error into `ClusterError::Persistence` for `?` in a
    /// handler that returns `Result<T, CallError<E>>`.
    ///
    /// # Errors
    /// The given error as the source.
    fn or_retry(self) -> Result<T, ClusterError>;
}

impl<T, E: Error + Send + Sync + 'static> OrRetry<T> for Result<T, E> {
    fn or_retry(self) -> Result<T, ClusterError> {
        self.map_err(|error| ClusterError::Persistence { source: Arc::new(error) })
    }
}

/// After how many attempts something has failed.
struct After(u32);

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            1 => write!(f, " (1 attempt)"),
            attempts => write!(f, " ({attempts} attempts)"),
        }
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without text".to_owned())
}

/// An error with its causes, in one line; without those that it tells itself.
pub(crate) fn text(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
