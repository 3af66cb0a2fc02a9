//! What travels beside the arguments of a message.

mod headers;

pub use headers::{HEADERS_BYTES_MAX, Headers, TraceContext};
