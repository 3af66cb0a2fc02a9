//! The storages of `cluster` on SQL databases.
//!
//! SQLite runs in process, behind the feature `sqlite`. PostgreSQL and MariaDB are servers, behind
//! the features `postgres` and `mysql`. Users' own statements run on sqlx's connections, in the
//! transaction of a handler.

// What serves some of the databases is of no use to the others, and all of it to none.
#![cfg_attr(
    not(all(feature = "mysql", feature = "postgres", feature = "sqlite")),
    allow(dead_code, unused_imports)
)]

mod alive;
mod batch;
mod chunks;
mod contracts;
mod dialect;
mod driver;
mod entity;
mod inbox;
mod journal;
#[cfg(feature = "mysql")]
mod mysql;
mod ownership;
#[cfg(feature = "postgres")]
mod postgres;
mod rows;
mod schema;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod server;
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;
mod value;

#[cfg(feature = "mysql")]
pub use mysql::{MySql, MySqlOptions};
#[cfg(feature = "postgres")]
pub use postgres::{Postgres, PostgresOptions};
#[cfg(feature = "sqlite")]
pub use sqlite::{Sqlite, SqliteOptions, Synchronous};
