//! What becomes of executions of workflows: their steps, sleeps and deferreds, through crashes. The
//! same bodies run on every storage.

// A failed step fails the test.
#![allow(clippy::unwrap_used)]

mod cancels;
mod crashes;
mod deferreds;
mod draining;
mod failures;
mod ids;
mod joins;
mod messages;
mod processes;
mod recovery;
mod sleeps;
mod starting;
mod steps;
mod support;
mod turns;
