//! MariaDB and MySQL.
//!
//! On MariaDB a batch is written by one packet of text, a compound statement that either commits or
//! rolls back before it answers ([`commit`]); what is rare, or out of order, and everything on
//! MySQL, by a transaction of several statements ([`transaction`]). Each reads the fence in share
//! mode, so whoever raises it or takes over waits for what is under way, and for nothing else.

mod commit;
mod commit_text;
mod dialect;
mod error;
mod literal;
mod marks;
mod options;
mod parameter;
mod reads;
mod retention;
mod schema;
mod session;
mod shards;
mod storage;
mod takeover;
mod texts;
mod transaction;

pub use options::MySqlOptions;
pub use storage::MySql;
