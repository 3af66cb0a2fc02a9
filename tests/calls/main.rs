//! Calls in one process, from the caller's await to the entity's end: typed replies, order,
//! concurrency, limits, cancellation, passivation, shutdown.

// A failed step fails the test.
#![allow(clippy::unwrap_used)]

mod asking;
mod ending;
mod factories;
mod failures;
mod headers;
mod helpers;
mod limits;
mod order;
mod passivation;
mod reentrance;
mod sending;
mod stage;
mod stress;
#[path = "../support/mod.rs"]
mod support;
mod timeouts;
mod typed;
mod unknown;
