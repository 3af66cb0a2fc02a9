//! How a stream's handler is called.

use std::sync::Arc;

use super::open::Reader;
use super::opening::{Opened, Opening};
use super::stored::StoredStream;
use super::streaming::Streaming;
use super::{Streams, StreamsMut, Unstored};
use crate::entity::Context;
use crate::entity::contract::Serves;
use crate::entity::method::{Method, Style, owned};
use crate::entity::options::{Access, Delivery};

impl<T: Serves> Method<T> {
    /// The entry of a stream with `&self`.
    pub const fn stream<M: Streams<T>>() -> Self {
        match M::INFO.delivery {
            Delivery::Volatile => Self::of::<Opening<M>, StreamRef>(),
            Delivery::Persisted => Self::of::<Streaming<M>, StoredStream>(),
        }
    }

    /// The entry of a stream with `&mut self`.
    pub const fn stream_mut<M: StreamsMut<T>>() -> Self
    where
        T: Unstored,
    {
        Self::of::<Opening<M>, StreamMut>()
    }
}

struct StreamRef;
struct StreamMut;

impl<T: Serves, M: Streams<T>> Style<T, Opening<M>> for StreamRef {
    const ACCESS: Access = Access::Shared;
    const PLAIN: bool = false;

    fn call(_: Opening<M>, _: &mut Arc<T>, _: Option<&Context>) -> Opened<M> {
        unreachable!("a stream is opened by a future")
    }

    async fn future<'a>(
        message: Opening<M>,
        entity: &'a mut Arc<T>,
        ctx: &'a Context,
    ) -> Opened<M> {
        let stream = message.0.run(entity, ctx).await;
        Opened(Reader::new(stream, ctx))
    }
}

impl<T: Serves, M: StreamsMut<T>> Style<T, Opening<M>> for StreamMut {
    const ACCESS: Access = Access::Exclusive;
    const PLAIN: bool = false;

    fn call(_: Opening<M>, _: &mut Arc<T>, _: Option<&Context>) -> Opened<M> {
        unreachable!("a stream is opened by a future")
    }

    async fn future<'a>(
        message: Opening<M>,
        entity: &'a mut Arc<T>,
        ctx: &'a Context,
    ) -> Opened<M> {
        let stream = message.0.run(owned(entity), ctx).await;
        Opened(Reader::new(stream, ctx))
    }
}
