//! Other ways of a message: replies that come later, entities that are kept alive, choices that
//! hold, requests that run once more, what tools ask for by SQL. The same bodies run on every
//! storage.

// A failed step fails the test.
#![allow(clippy::unwrap_used)]

mod again;
mod inbox;
mod keep_alive;
mod later;
mod later_durable;
mod processes;
mod starting;
#[path = "../support/mod.rs"]
mod support;
