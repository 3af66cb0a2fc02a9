//! What `cluster::testing` promises those who test entities of their own.

// A failed step fails the test.
#![allow(clippy::unwrap_used)]

mod encoded;
mod example;
mod faults;
#[path = "../support/mod.rs"]
mod support;
mod time;
