//! What a real database server does to a cluster: it dies, it cuts connections, it is full, slow or
//! refuses. Nothing is lost, nothing happens twice, errors say what it is, and the same process
//! goes on when the server does.

// A failed step fails the test.
#![allow(clippy::unwrap_used)]

mod cuts;
mod database;
mod deaths;
mod defaults;
mod load;
mod logs;
mod pooler;
mod proxy;
mod refusals;
mod soak;
#[path = "../support/mod.rs"]
mod support;

pub(crate) use database::Database;
pub(crate) use load::Load;
pub(crate) use proxy::Proxy;
