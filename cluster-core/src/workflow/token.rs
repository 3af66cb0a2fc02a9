//! By what a deferred is completed.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{Escaped, ExecutionId, Key, TEXT_BYTES_MAX, unescape};

/// Names one deferred of one execution. Whoever holds it can complete the deferred, with a value of
/// type `T`; so it is to be kept like a password where that matters, though it is no secret: it
/// follows from the names and the execution's key.
///
/// Its text form, for ever: the workflow's name, the deferred's name, the occurrence and the
/// execution's key, separated by `/`; in both names `%` is written `%25` and `/` is written `%2F`.
/// With serde it is that text.
pub struct DeferredToken<T> {
    execution: ExecutionId,
    name: Arc<str>,
    occurrence: u32,
    value: PhantomData<fn(T)>,
}

impl<T> DeferredToken<T> {
    /// The token of the deferred with this name; the first of its name has the occurrence 1.
    pub fn new(execution: ExecutionId, name: impl Into<Arc<str>>, occurrence: u32) -> Self {
        DeferredToken { execution, name: name.into(), occurrence, value: PhantomData }
    }

    /// The execution.
    pub fn execution(&self) -> &ExecutionId {
        &self.execution
    }

    /// The name of the deferred.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Which of those of its name, counted from one in the order in which they were made.
    pub fn occurrence(&self) -> u32 {
        self.occurrence
    }
}

impl<T> fmt::Display for DeferredToken<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (workflow, name) = (Escaped(self.execution.workflow()), Escaped(&self.name));
        write!(f, "{workflow}/{name}/{}/{}", self.occurrence, self.execution.key())
    }
}

/// The text is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a token is the names of a workflow and a deferred, its occurrence and a key, each after `/`"
)]
pub struct InvalidToken;

impl<T> FromStr for DeferredToken<T> {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let mut parts = text.splitn(4, '/');
        let mut part = || parts.next().ok_or(InvalidToken);
        let workflow = unescape(part()?).ok_or(InvalidToken)?;
        let name = unescape(part()?).filter(|name| (1..=TEXT_BYTES_MAX).contains(&name.len()));
        let occurrence = part()?.parse().map_err(|_| InvalidToken)?;
        let key = Key::new(part()?).map_err(|_| InvalidToken)?;
        let execution = ExecutionId::new(workflow, key);
        Ok(DeferredToken::new(execution, name.ok_or(InvalidToken)?, occurrence))
    }
}

impl<T> Clone for DeferredToken<T> {
    fn clone(&self) -> Self {
        Self::new(self.execution.clone(), self.name.clone(), self.occurrence)
    }
}

impl<T> PartialEq for DeferredToken<T> {
    fn eq(&self, other: &Self) -> bool {
        (&self.execution, &self.name, self.occurrence)
            == (&other.execution, &other.name, other.occurrence)
    }
}

impl<T> Eq for DeferredToken<T> {}

impl<T> fmt::Debug for DeferredToken<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeferredToken({self})")
    }
}

impl<T> Serialize for DeferredToken<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, T> Deserialize<'de> for DeferredToken<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
