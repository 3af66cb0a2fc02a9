//! PostgreSQL.
//!
//! A batch is written by one statement that commits by itself ([`commit`]); what is rare, or out of
//! order, by a transaction of several ([`transaction`]). Each reads the fence in share mode, so
//! whoever raises it or takes over waits for what is under way, and for nothing else.

mod commit;
mod commit_text;
mod dialect;
mod digest;
mod error;
mod marks;
mod options;
mod parameter;
mod plain;
mod reads;
mod retention;
mod schema;
mod session;
mod shards;
mod storage;
mod takeover;
mod texts;
mod transaction;

pub use options::PostgresOptions;
pub use storage::Postgres;
