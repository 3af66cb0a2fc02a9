//! SQLite in process.
//!
//! One connection writes, on a thread of its own, a transaction for each batch; a second one reads
//! beside it; a third one, of sqlx, runs users' transactions. A gate lets one of the writers in at
//! a time, in the order in which they came.

mod batch;
mod chunks;
mod connection;
mod contracts;
mod driver;
mod error;
mod journal;
mod lane;
mod lock;
mod options;
mod ownership;
mod reads;
mod retention;
mod rows;
mod schema;
mod session;
mod sql;
mod storage;
mod transaction;
mod value;

pub use options::{SqliteOptions, Synchronous};
pub use storage::Sqlite;
