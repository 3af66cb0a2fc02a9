//! Streams, from a reader's first look to their end: order, pace, dropping, what keeps an entity in
//! memory, shutdown, durable state.

// A failed step fails the test.
#![allow(clippy::unwrap_used)]

mod dropping;
mod durable;
mod ending;
mod pace;
mod reading;
mod staying;
mod stored;
mod waiting;

// Stages and held storages are those of the calls' tests; not all of them are needed here.
#[allow(dead_code, unused_imports, unused_macros)]
#[path = "../calls/support/mod.rs"]
mod support;
