//! How a database is connected to.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use cluster_core::storage::{RowLimits, StorageError};
use cluster_core::time::Clock;
use sqlx::ConnectOptions;
use sqlx::mysql::MySqlConnectOptions;

use super::dialect::MySqlDialect;
use super::storage::MySql;
use crate::schema::check_prefix;

/// The fewest connections: one that writes, one for users' transactions, and one that reads.
const CONNECTIONS_MIN: usize = 3;

/// Settings of a [`MySql`] storage that is not connected yet. Made by [`MySql::options`].
#[derive(Clone)]
#[must_use = "nothing is connected before `connect` is awaited"]
pub struct MySqlOptions {
    url: String,
    pub(super) prefix: String,
    pub(super) connections: usize,
    pub(super) connect_timeout: Duration,
    pub(super) answer_timeout: Duration,
    pub(super) limits: RowLimits,
    pub(super) clock: Option<Clock>,
}

impl MySqlOptions {
    pub(super) fn new(url: String) -> Self {
        MySqlOptions {
            url,
            prefix: "cluster_".to_owned(),
            connections: 8,
            connect_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(30),
            limits: RowLimits::default(),
            clock: None,
        }
    }

    /// The prefix of all tables, `cluster_` at first. Several clusters share a database under
    /// different prefixes. 1 to 32 lower-case letters, digits and underscores, no digit first.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// The most connections, 8 at first, at least 3. Half of them write; a handler's own
    /// transaction takes one of these.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// How long a call waits for a connection, whether for one to be free or to be made; then it
    /// fails with `Unavailable`. 10 s at first.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a call waits for the server's answer. Then a read fails with `Unavailable`; the
    /// outcome of a write is unknown, which the runtime settles. 30 s at first.
    pub fn answer_timeout(mut self, timeout: Duration) -> Self {
        self.answer_timeout = timeout;
        self
    }

    /// The most bytes of one payload; slightly above 4 MiB at first. The server's
    /// `max_allowed_packet` must be more than twice that.
    pub fn payload_bytes_max(mut self, bytes: usize) -> Self {
        self.limits = RowLimits::of_payload(bytes);
        self
    }

    /// The clock of cluster time instead of the database's own. For tests: processes that share a
    /// database must share its clock.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Connects, and makes or updates the tables.
    ///
    /// # Errors
    /// `BadSetting` for a bad URL, prefix or number, and when the server takes no packets as large
    /// as rows may be; `SchemaTooNew` when a newer program made the
    /// tables; `Corrupt` when they are not this library's; `Unavailable` when the server cannot be
    /// reached or refuses. None of them tells the URL.
    pub async fn connect(self) -> Result<MySql, StorageError> {
        MySql::connect_with(self).await
    }

    /// The driver leaves out what it does not know.
    fn check_parameters(&self) -> Result<(), StorageError> {
        let (_, query) = self.url.split_once('?').unwrap_or_default();
        let names = query.split('&').filter(|pair| !pair.is_empty());
        let mut names = names.map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name));
        match names.find(|name| !PARAMETERS.contains(name)) {
            None => Ok(()),
            Some(name) => {
                let reason = format!("`{name}` is no parameter of it");
                Err(StorageError::BadSetting { setting: "url", reason })
            }
        }
    }

    /// The driver's options.
    ///
    /// # Errors
    /// `BadSetting`.
    pub(super) fn driver(&self) -> Result<MySqlConnectOptions, StorageError> {
        check_prefix::<MySqlDialect>(&self.prefix)?;
        if self.connections < CONNECTIONS_MIN {
            let reason = format!("{} is below {CONNECTIONS_MIN}", self.connections);
            return Err(StorageError::BadSetting { setting: "connections", reason });
        }
        let bad = || StorageError::BadSetting {
            setting: "url",
            reason: "it is not like mysql://user:password@host:3306/database".to_owned(),
        };
        let scheme = ["mysql://", "mariadb://"];
        if !scheme.iter().any(|scheme| self.url.starts_with(scheme)) {
            return Err(bad());
        }
        self.check_parameters()?;
        // What the driver says of a bad URL may quote it.
        let options = MySqlConnectOptions::from_str(&self.url).map_err(|_| bad())?;
        if options.get_database().is_none_or(str::is_empty) {
            return Err(bad());
        }
        Ok(options
            // These are set with the rest of what a connection is set to.
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .timezone(None)
            .set_names(false)
            // One for each text that is ever run, with room for users' own.
            .statement_cache_capacity(STATEMENTS_KEPT)
            .disable_statement_logging())
    }
}

/// Parameters of a URL.
const PARAMETERS: [&str; 10] = [
    "sslmode",
    "ssl-mode",
    "sslca",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "socket",
    "statement-cache-capacity",
];

/// How many statements stay prepared on a connection.
const STATEMENTS_KEPT: usize = 256;

impl fmt::Debug for MySqlOptions {
    /// Without the URL, which has a password in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySqlOptions")
            .field("prefix", &self.prefix)
            .field("connections", &self.connections)
            .field("connect_timeout", &self.connect_timeout)
            .field("answer_timeout", &self.answer_timeout)
            .finish_non_exhaustive()
    }
}
