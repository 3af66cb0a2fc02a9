//! How a database is connected to.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use cluster_core::storage::{RowLimits, StorageError};
use cluster_core::time::Clock;
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use super::dialect::PostgresDialect;
use super::storage::Postgres;
use crate::schema::check_prefix;

/// The fewest connections: one that writes, one for users' transactions, and one that reads.
const CONNECTIONS_MIN: usize = 3;

/// Settings of a [`Postgres`] storage that is not connected yet. Made by [`Postgres::options`].
#[derive(Clone)]
#[must_use = "nothing is connected before `connect` is awaited"]
pub struct PostgresOptions {
    url: String,
    pub(super) prefix: String,
    pub(super) connections: usize,
    pub(super) connect_timeout: Duration,
    pub(super) answer_timeout: Duration,
    pub(super) limits: RowLimits,
    pub(super) clock: Option<Clock>,
    prepared: bool,
}

impl PostgresOptions {
    pub(super) fn new(url: String) -> Self {
        PostgresOptions {
            url,
            prefix: "cluster_".to_owned(),
            connections: 8,
            connect_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(30),
            limits: RowLimits::default(),
            clock: None,
            prepared: true,
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

    /// Whether statements are prepared once and kept, as they are at first. Without, each is sent
    /// as a whole, which takes the server longer, and works behind every pooler; a handler's own
    /// statements must then be `persistent(false)`. `statement-cache-capacity=0` in the URL does
    /// the same.
    pub fn prepared_statements(mut self, prepared: bool) -> Self {
        self.prepared = prepared;
        self
    }

    /// The most bytes of one payload; slightly above 4 MiB at first.
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
    /// `BadSetting` for a bad URL, prefix or number; `SchemaTooNew` when a newer program made the
    /// tables; `Corrupt` when they are not this library's; `Unavailable` when the server cannot be
    /// reached or refuses. None of them tells the URL.
    pub async fn connect(self) -> Result<Postgres, StorageError> {
        Postgres::connect_with(self).await
    }

    /// Whether statements are prepared.
    pub(super) fn is_prepared(&self) -> bool {
        self.prepared && !self.url.contains(UNPREPARED)
    }

    /// The driver would log what it does not know, and with it what may be a password.
    fn check_parameters(&self) -> Result<(), StorageError> {
        let (_, query) = self.url.split_once('?').unwrap_or_default();
        let names = query.split('&').filter(|pair| !pair.is_empty());
        let names = names.map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name));
        let is_known = |name: &&str| PARAMETERS.contains(name) || name.starts_with("options");
        match names.into_iter().find(|name| !is_known(name)) {
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
    pub(super) fn driver(&self) -> Result<PgConnectOptions, StorageError> {
        check_prefix::<PostgresDialect>(&self.prefix)?;
        if self.connections < CONNECTIONS_MIN {
            let reason = format!("{} is below {CONNECTIONS_MIN}", self.connections);
            return Err(StorageError::BadSetting { setting: "connections", reason });
        }
        let bad = || StorageError::BadSetting {
            setting: "url",
            reason: "it is not like postgres://user:password@host:5432/database".to_owned(),
        };
        let scheme = ["postgres://", "postgresql://"];
        if !scheme.iter().any(|scheme| self.url.starts_with(scheme)) {
            return Err(bad());
        }
        self.check_parameters()?;
        // What the driver says of a bad URL may quote it.
        let options = PgConnectOptions::from_str(&self.url).map_err(|_| bad())?;
        let name = format!("{}{}", self.prefix, std::process::id());
        Ok(options
            // Poolers refuse what they cannot keep apart.
            .extra_float_digits(None)
            .application_name(&name)
            // One for each text that is ever run, with room for users' own.
            .statement_cache_capacity(if self.is_prepared() { STATEMENTS_KEPT } else { 0 })
            .disable_statement_logging())
    }
}

/// Parameters of a URL, beside `options` and `options[name]`.
const PARAMETERS: [&str; 16] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
];

/// In a URL: prepares no statements.
const UNPREPARED: &str = "statement-cache-capacity=0";

/// How many statements stay prepared on a connection.
const STATEMENTS_KEPT: usize = 256;

impl fmt::Debug for PostgresOptions {
    /// Without the URL, which has a password in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("prefix", &self.prefix)
            .field("connections", &self.connections)
            .field("connect_timeout", &self.connect_timeout)
            .field("answer_timeout", &self.answer_timeout)
            .finish_non_exhaustive()
    }
}
