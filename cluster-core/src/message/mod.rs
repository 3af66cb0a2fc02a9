//! What travels beside the arguments of a message.

mod headers;
mod trace;

pub use headers::{HEADERS_BYTES_MAX, Headers};
pub use trace::TraceContext;
