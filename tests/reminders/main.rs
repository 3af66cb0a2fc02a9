//! Reminders: what a handler sets for its own entity comes at its time, once or again and again,
//! exactly when the handler's outcome is there. The same bodies run on every storage.

// A failed step fails the test.
#![allow(clippy::unwrap_used)]

mod clearing;
mod entities;
mod failures;
mod kinds;
mod meeting;
mod processes;
mod setting;
#[path = "../support/mod.rs"]
mod support;
mod trouble;
