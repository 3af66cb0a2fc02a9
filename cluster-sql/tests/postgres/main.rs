//! PostgreSQL: the contract of storages, and what this database has of its own.
#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used)] // Helpers of tests fail as tests do.

#[path = "../on_servers/keys.rs"]
mod keys;
#[path = "../on_servers/limits.rs"]
mod limits;
#[path = "../on_servers/marks.rs"]
mod marks;
#[path = "../on_servers/own_rows.rs"]
mod own_rows;
mod plans;
mod pooled;
#[path = "../on_servers/retention.rs"]
mod retention;
#[path = "../on_servers/schema.rs"]
mod schema;
mod suite;
mod support;
#[path = "../on_servers/takeover.rs"]
mod takeover;
mod tls;
mod trouble;
#[path = "../on_servers/views.rs"]
mod views;
