//! The language of SQLite, which is the common one but for what is said here.

use crate::dialect::Dialect;
use crate::schema::Migration;

/// SQLite's SQL.
pub(crate) struct SqliteDialect;

impl Dialect for SqliteDialect {
    const KIND: &'static str = "sqlite";
    const PARAMETER: char = '?';
    const RESERVED_PREFIX: &'static str = "sqlite_";
    const MIGRATIONS: &'static [Migration] = &[Migration {
        text: concat!(include_str!("schema/0001_first.sql"), include_str!("schema/0001_views.sql")),
        minimum: 1,
    }];
}
