//! Streams, from a reader's first look to their end: order, pace, dropping, what keeps an entity in
//! memory, shutdown, durable state.

// A failed step fails the test.
#![allow(clippy::unwrap_used)]

mod dropping;
mod durable;
mod ending;
mod pace;
mod processes;
mod reading;
mod sending;
#[path = "../calls/stage.rs"]
mod stage;
mod staying;
mod stored;
#[path = "../support/mod.rs"]
mod support;
mod waiting;
