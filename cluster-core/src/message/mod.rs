//! What travels: addresses, headers, and the contracts that generated code implements.

mod address;
mod headers;

pub use address::Address;
pub use headers::{HEADERS_BYTES_MAX, Headers, TraceContext};
