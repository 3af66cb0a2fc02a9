//! Clearing one entity: what was stored of it is gone, its next message finds it as if it had never
//! been, and nobody who waits is forgotten. The same bodies run on every storage.

// A failed step fails the test.
#![allow(clippy::unwrap_used)]

mod anew;
mod entities;
mod processes;
#[path = "../support/mod.rs"]
mod support;
mod waiting;
