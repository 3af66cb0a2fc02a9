//! What becomes of a persisted request: its key, its failures, its recovery, its cost. The same
//! bodies run on every storage.

// A failed step fails the test.
#![allow(clippy::unwrap_used)]

mod cost;
mod defects;
mod entities;
mod keys;
mod recovery;
mod state;
#[path = "../support/mod.rs"]
mod support;
