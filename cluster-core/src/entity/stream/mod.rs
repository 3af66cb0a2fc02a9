//! Streams: handlers whose reply comes in chunks, and the readers that set their pace.
//!
//! The way of a stream: its method is called as any volatile handler is, by the message [`Opening`]
//! that stands around its own (`opening`, `style`). What it returns is taken out of the handler's
//! turn and put beside the entity, which is pinned meanwhile (`producer`, `open`). The reader's own
//! poll takes it from there, polls it once and puts it back (`chunks`): no task, no channel, and
//! nothing made before it is asked for. What is open is known to the runner (`registry`), so that
//! its end is the end of every stream.
//!
//! A persisted stream is a stored request, [`Streaming`](streaming::Streaming): its chunks are
//! committed (`stored`) before its reader sees them (`live`, `receipt`).

mod call;
mod chunks;
mod live;
mod message;
mod open;
mod opening;
mod producer;
mod receipt;
mod registry;
mod stored;
mod streaming;
mod style;

pub use call::{StreamCall, StreamFuture};
pub use chunks::Chunks;
pub use futures_core::Stream;
pub use message::{StreamMessage, StreamOf, Streams, StreamsMut, Unstored, stream};
pub use receipt::StreamReceipt;
pub(crate) use registry::OpenStreams;
