//! SQLite in process.
//!
//! One connection writes, on a thread of its own, a transaction for each batch; a second one reads
//! beside it; a third one, of sqlx, runs users' transactions. A gate lets one of the writers in at
//! a time, in the order in which they came.

mod at_once;
mod connection;
mod dialect;
mod error;
mod lane;
mod lock;
mod options;
mod reads;
mod retention;
mod schema;
mod session;
mod storage;
mod transaction;

pub use options::{SqliteOptions, Synchronous};
pub use storage::Sqlite;
