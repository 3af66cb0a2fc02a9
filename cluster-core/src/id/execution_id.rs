//! The id of a workflow's execution.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::{EntityId, InvalidText, Key};

/// The id of an execution: the name of its workflow and the key that it was started with.
///
/// Specification of the text form, for ever (see the golden vectors): the name, in which `%` is
/// written `%25` and `/` is written `%2F`, then `/`, then the key as it is. So two ids have the
/// same text only if name and key are the same. Equal on every platform: nothing of it is hashed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExecutionId {
    workflow: Arc<str>,
    key: Key,
}

impl ExecutionId {
    /// The id of the execution of this workflow that has this key.
    pub fn new(workflow: impl Into<Arc<str>>, key: Key) -> Self {
        ExecutionId { workflow: workflow.into(), key }
    }

    /// The name of the workflow.
    pub fn workflow(&self) -> &str {
        &self.workflow
    }

    /// The key that the execution was started with; one was made where none was given.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The id of the entity that the execution is, among those of its workflow.
    pub(crate) fn entity_id(&self) -> EntityId {
        EntityId::from(self.key.as_str())
    }
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Escaped(&self.workflow), self.key)
    }
}

/// The text is not the id of an execution.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidExecutionId {
    /// There is no `/`, or another `%` than that of `%25` and `%2F`.
    #[error("an execution id is the name of a workflow, `/`, and a key")]
    Form,
    /// What stands after the `/` is no key.
    #[error("its key is no key")]
    Key(#[source] InvalidText),
}

impl FromStr for ExecutionId {
    type Err = InvalidExecutionId;

    fn from_str(text: &str) -> Result<Self, InvalidExecutionId> {
        let (workflow, key) = text.split_once('/').ok_or(InvalidExecutionId::Form)?;
        let workflow = unescape(workflow).ok_or(InvalidExecutionId::Form)?;
        let key = Key::new(key).map_err(InvalidExecutionId::Key)?;
        Ok(ExecutionId::new(workflow, key))
    }
}

/// A text without `/`, from which it can be read back.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.0.split_inclusive(['%', '/']) {
            match (part.strip_suffix('%'), part.strip_suffix('/')) {
                (Some(before), _) => write!(f, "{before}%25")?,
                (_, Some(before)) => write!(f, "{before}%2F")?,
                (None, None) => f.write_str(part)?,
            }
        }
        Ok(())
    }
}

/// Reads what [`Escaped`] has written; `None` for anything else.
pub(crate) fn unescape(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (sign, rest) = match part.strip_prefix("25") {
            Some(rest) => ('%', rest),
            None => ('/', part.strip_prefix("2F")?),
        };
        plain.push(sign);
        plain.push_str(rest);
    }
    Some(plain)
}
