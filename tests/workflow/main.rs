//! What becomes of executions of workflows: their steps, sleeps and deferreds, through crashes. The
//! same bodies run on every storage.

// A failed step fails the test.
#![allow(clippy::unwrap_used)]

mod first;
