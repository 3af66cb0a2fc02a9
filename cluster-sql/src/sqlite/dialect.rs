//! The language of SQLite, which is the common one but for what is said here.

use crate::dialect::Dialect;
use crate::schema::Migration;

/// SQLite's SQL.
pub(crate) struct SqliteDialect;

impl Dialect for SqliteDialect {
    const KIND: &'static str = "sqlite";
    const PARAMETER: char = '?';
    const RESERVED_PREFIX: &'static str = "sqlite_";
    const MIGRATIONS: &'static [Migration] =
        &[Migration { text: include_str!("schema/0001_first.sql"), minimum: 1 }];
}
