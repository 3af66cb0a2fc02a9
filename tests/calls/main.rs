//! Calls in one process, from the caller's await to the entity's end: typed replies, order,
//! concurrency, limits, cancellation, passivation, shutdown.

mod ending;
mod failures;
mod headers;
mod reentrance;
mod sending;
mod support;
mod timeouts;
mod typed;
