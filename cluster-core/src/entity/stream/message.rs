//! What generated code says of a stream's message.

use std::pin::Pin;

use futures_core::Stream;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::entity::contract::Message;
use crate::entity::{Context, ReturnOf};

/// A message that is answered by a stream: `Ok` and `Err` are the value and the error of one chunk.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the message of a stream",
    label = "not a stream",
    note = "declare its handler with `#[message(stream)]`"
)]
pub trait StreamMessage: Message + Serialize + DeserializeOwned {}

/// What a handler's stream is kept as.
pub type StreamOf<M> = Pin<Box<dyn Stream<Item = ReturnOf<M>> + Send>>;

/// Makes a handler's stream what it is kept as.
pub fn stream<M: StreamMessage>(
    stream: impl Stream<Item = ReturnOf<M>> + Send + 'static,
) -> StreamOf<M> {
    Box::pin(stream)
}

/// A stream handler with `&self`.
pub trait Streams<T>: StreamMessage {
    /// Runs the handler up to its return.
    fn run<'a>(
        self,
        entity: &'a T,
        ctx: &'a Context,
    ) -> impl Future<Output = StreamOf<Self>> + Send + 'a;
}

/// A stream handler with `&mut self`.
pub trait StreamsMut<T>: StreamMessage {
    /// Runs the handler up to its return.
    fn run<'a>(
        self,
        entity: &'a mut T,
        ctx: &'a Context,
    ) -> impl Future<Output = StreamOf<Self>> + Send + 'a;
}

/// An entity of which nothing is stored.
#[diagnostic::on_unimplemented(
    message = "something of `{Self}` is stored: what `&mut self` changes is committed with its \
               reply, which must be there when the handler ends",
    label = "replies later",
    note = "take `&self` here, and change the state in a message of its own"
)]
pub trait Unstored {}
