//! How a database is connected to.

use cluster_core::storage::{RowLimits, StorageError};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use super::storage::Postgres;
use crate::server::{Settings, Urls, common_settings, of_connecting};

/// Settings of a [`Postgres`] storage that is not connected yet. Made by [`Postgres::options`].
#[derive(Clone)]
#[must_use = "nothing is connected before `connect` is awaited"]
pub struct PostgresOptions {
    pub(super) settings: Settings,
    prepared: bool,
}

common_settings!(PostgresOptions);

impl PostgresOptions {
    pub(super) fn new(url: String) -> Self {
        PostgresOptions { settings: Settings::new(url), prepared: true }
    }

    /// Whether statements are prepared once and kept, as they are at first. Without, each is sent
    /// as a whole, which takes the server longer, and needs nothing of a pooler; a handler's own
    /// statements must then be `persistent(false)`, and who waits for a lock waits as long as the
    /// server's `lock_timeout` says, not as the `answer_timeout`. `statement-cache-capacity=0` in
    /// the URL does the same.
    pub fn prepared_statements(mut self, prepared: bool) -> Self {
        self.prepared = prepared;
        self
    }

    /// The most bytes of one payload; slightly above 4 MiB at first.
    pub fn payload_bytes_max(mut self, bytes: usize) -> Self {
        self.settings.limits = RowLimits::of_payload(bytes);
        self
    }

    /// Connects, and makes or updates the tables.
    ///
    /// # Errors
    /// `BadSetting` for a bad URL, prefix or number, and for a database whose encoding is not
    /// `UTF8`; `SchemaTooNew` when a newer program made the tables; `Corrupt` when they are not
    /// this library's; `Denied` for a wrong password, a database that does not exist or a missing
    /// right; `Unavailable` when the server cannot be reached now: this does not wait for it, call
    /// it again. None of them tells the URL.
    pub async fn connect(self) -> Result<Postgres, StorageError> {
        Postgres::connect_with(self).await.map_err(of_connecting)
    }

    /// Whether statements are prepared.
    pub(super) fn is_prepared(&self) -> bool {
        self.prepared && !self.settings.says(UNPREPARED.0, UNPREPARED.1)
    }

    /// The driver's options, for connections of this name. The settings are checked.
    ///
    /// # Errors
    /// `BadSetting`.
    pub(super) fn driver(&self, name: &str) -> Result<PgConnectOptions, StorageError> {
        let options: PgConnectOptions = URLS.options(&self.settings.url)?;
        Ok(options
            // Poolers refuse what they cannot keep apart.
            .extra_float_digits(None)
            .application_name(name)
            // One for each text that is ever run, with room for users' own.
            .statement_cache_capacity(if self.is_prepared() { STATEMENTS_KEPT } else { 0 })
            .disable_statement_logging())
    }
}

pub(super) const URLS: Urls = Urls {
    schemes: ["postgres://", "postgresql://"],
    example: "postgres://user:password@host:5432/database",
    parameters: PARAMETERS,
};

/// What URLs may say.
const PARAMETERS: &[&str] = &[
    "options",
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
const UNPREPARED: (&str, &str) = ("statement-cache-capacity", "0");

/// How many statements stay prepared on a connection.
const STATEMENTS_KEPT: usize = 256;
