//! What the runtime promises of everything durable: nothing is lost, nothing happens twice, nobody
//! sees what a crash can undo. The same bodies run on every storage.

// A failed step fails the test.
#![allow(clippy::unwrap_used)]

mod again;
mod backlog;
mod beside;
mod building;
mod bytes;
mod cancels;
mod caught_up;
mod cluster_time;
mod cost;
mod ending;
mod entities;
mod fenced;
mod holds;
mod joins;
mod kept;
mod keyed_outbox;
mod killed;
mod lease;
mod many_scheduled;
mod outbox;
mod own_connections;
mod pressure;
mod processes;
mod races;
mod readable;
mod replies;
mod retention;
mod retries;
mod runs;
mod scheduled;
mod state;
mod strict;
#[path = "../support/mod.rs"]
mod support;
mod tracks;
mod transactions;
mod unknown;
mod visibility;
mod windows;
