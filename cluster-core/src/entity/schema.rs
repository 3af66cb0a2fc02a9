//! The traced shapes of a message.

use super::contract::Message;
use super::wire::Wire;
use crate::contract::{Schema, TraceError};

/// The shapes of a message's arguments, value and error.
#[derive(Debug, Clone)]
pub struct MessageSchema {
    pub(crate) arguments: Schema,
    pub(crate) ok: Schema,
    pub(crate) err: Schema,
}

impl MessageSchema {
    /// Traces the types of a message.
    ///
    /// # Errors
    /// [`TraceError`] names the type that the codec cannot carry.
    pub fn of<M: Message>() -> Result<Self, TraceError> {
        Ok(MessageSchema { arguments: M::schema()?, ok: M::Ok::schema()?, err: M::Err::schema()? })
    }
}
