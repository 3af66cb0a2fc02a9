//! Streams: handlers whose reply comes in chunks, and the readers that set their pace.
//!
//! The way of a stream: its method is called as any volatile handler is, by the message [`Opening`]
//! that stands around its own (`opening`, `style`). What it returns is taken out of the handler's
//! turn and put beside the entity, which is pinned meanwhile (`producer`, `open`). The reader's own
//! poll takes it from there, polls it once and puts it back (`chunks`): no task, no channel, and
//! nothing made before it is asked for. What is open is known to the runner (`registry`), so that
//! its end is the end of every stream.
//!
//! 1. The message of a stream runs inside of `Opening`, a volatile message whose reply is the open
//!    stream. So everything of a volatile call holds for the opening: gate, filters, mailbox, time
//!    limit, `Defect`, and that the reply of a durable entity waits for what its handler could have
//!    read.
//! 2. The stream owns what it needs (`use<>`), so the handler's turn ends when it returns. The
//!    entity is *pinned* instead: neither passivated nor evicted, and a drain waits for it.
//! 3. The reader's poll takes the producer out of the open stream, polls it once as the stream's
//!    own handler, and puts it back. No lock is held meanwhile, there is no task and no channel,
//!    and no chunk exists that nobody asked for: the credit window of a stream in one process is
//!    its reader's one poll.
//! 4. Whichever side ends first ends the other: a dropped reader drops the producer, the end of the
//!    runner drops what is left and wakes the readers.
//!
//! A persisted stream is a stored request, `Streaming`, whose outcome is its end (`stored.rs`). Its
//! turn ends like that of any stream; a task gathers what the handler's stream has at once, commits
//! it, and only then shows it to the reader (`live.rs`, `receipt.rs`). It makes no more than
//! `stream_window` chunks that nobody has read, and begins again when half of them were. Reading is
//! acknowledged in the next batch; the last chunk that was read stays stored, marked, because it
//! tells the next run where to go on. What the handler has sent and set is committed with the end.
//! Reruns, attempts, back-off and dead letters are those of any persisted request.

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
