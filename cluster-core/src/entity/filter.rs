//! What a program hangs into the runtime: filters of calls, and hooks that hear of dead letters.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::options::MessageInfo;
use crate::error::Refused;
use crate::id::{Address, EntityId, RequestId};
use crate::message::Headers;

/// What a filter sees of a call.
#[derive(Debug)]
pub struct CallInfo<'a> {
    pub(super) entity_type: &'a str,
    pub(super) entity_id: &'a EntityId,
    pub(super) message: &'static MessageInfo,
    pub(super) headers: &'a Headers,
}

impl CallInfo<'_> {
    /// The type of the called entity.
    pub fn entity_type(&self) -> &str {
        self.entity_type
    }

    /// The id of the called entity.
    pub fn entity_id(&self) -> &EntityId {
        self.entity_id
    }

    /// The message's name.
    pub fn message(&self) -> &'static str {
        self.message.name
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// All headers.
    pub fn headers(&self) -> &Headers {
        self.headers
    }
}

/// A check that every call passes before anything of it is run or stored.
#[derive(Clone)]
pub(crate) struct Filter(Arc<dyn Fn(&CallInfo<'_>) -> Result<(), Refused> + Send + Sync>);

impl Filter {
    pub(crate) fn new(
        check: impl Fn(&CallInfo<'_>) -> Result<(), Refused> + Send + Sync + 'static,
    ) -> Self {
        Filter(Arc::new(check))
    }

    pub(crate) fn check(&self, call: &CallInfo<'_>) -> Result<(), Refused> {
        (self.0)(call)
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Filter")
    }
}

/// What a hook hears of a request that was given up.
#[derive(Debug)]
#[non_exhaustive]
pub struct GivenUp<'a> {
    /// The request.
    pub request: RequestId,
    /// The entity.
    pub entity: &'a Address,
    /// The message's name.
    pub message: &'static str,
    /// How often it was tried.
    pub attempts: u32,
    /// What the last attempt said.
    pub error: &'a str,
}

/// Hears of dead letters.
pub(crate) struct GivenUpHook(Box<dyn Fn(&GivenUp<'_>) + Send + Sync>);

impl GivenUpHook {
    pub(crate) fn new(hook: impl Fn(&GivenUp<'_>) + Send + Sync + 'static) -> Self {
        GivenUpHook(Box::new(hook))
    }

    pub(super) fn call(&self, given_up: &GivenUp<'_>) {
        if catch_unwind(AssertUnwindSafe(|| (self.0)(given_up))).is_err() {
            tracing::error!(request = %given_up.request, "a hook for dead letters panicked");
        }
    }
}
