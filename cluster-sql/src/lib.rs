//! The storages of `cluster` on SQL databases.
//!
//! SQLite runs in process, behind the feature `sqlite`: see [`Sqlite`]. Users' own statements run
//! on sqlx's connections, in the transaction of a handler.

#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "sqlite")]
pub use sqlite::{Sqlite, SqliteOptions, Synchronous};
