//! What the runtime promises of entities in memory: one writer or many readers, nobody delays
//! others, no instance beside another, no call that waits for itself.

// A failed step fails the test.
#![allow(clippy::unwrap_used)]

mod chains;
mod concurrency;
mod inline;
mod options;
mod stress;
#[path = "../support/mod.rs"]
mod support;
mod witness;
