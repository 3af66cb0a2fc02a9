//! Which servers there are.

use std::fmt;

/// A program that can be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// PostgreSQL.
    Postgres,
    /// MariaDB.
    Mariadb,
    /// pgbouncer in transaction mode, in front of a PostgreSQL.
    Pgbouncer,
}

impl Kind {
    /// All, in an order in which they can be started.
    pub const ALL: [Kind; 3] = [Kind::Postgres, Kind::Mariadb, Kind::Pgbouncer];

    /// The name in paths.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Kind::Postgres => "postgres",
            Kind::Mariadb => "mariadb",
            Kind::Pgbouncer => "pgbouncer",
        }
    }

    /// The environment variable with the URL of the one that all tests share. It does not begin as
    /// the variables of settings do: those that name no setting are told in a warning.
    pub fn variable(self) -> &'static str {
        match self {
            Kind::Postgres => "TEST_SERVERS_POSTGRES",
            Kind::Mariadb => "TEST_SERVERS_MARIADB",
            Kind::Pgbouncer => "TEST_SERVERS_PGBOUNCER",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Postgres => "PostgreSQL",
            Kind::Mariadb => "MariaDB",
            Kind::Pgbouncer => "pgbouncer",
        })
    }
}
