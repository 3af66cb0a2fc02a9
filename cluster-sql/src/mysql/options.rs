//! How a database is connected to.

use cluster_core::storage::{RowLimits, StorageError};
use sqlx::ConnectOptions;
use sqlx::mysql::MySqlConnectOptions;

use super::dialect::MySqlDialect;
use super::storage::MySql;
use crate::server::{Settings, Urls, common_settings, of_connecting};

/// Settings of a [`MySql`] storage that is not connected yet. Made by [`MySql::options`].
#[derive(Clone)]
#[must_use = "nothing is connected before `connect` is awaited"]
pub struct MySqlOptions {
    pub(super) settings: Settings,
}

common_settings!(MySqlOptions);

impl MySqlOptions {
    pub(super) fn new(url: String) -> Self {
        MySqlOptions { settings: Settings::new(url) }
    }

    /// The most bytes of one payload; slightly above 4 MiB at first. The server's
    /// `max_allowed_packet` must be more than twice that.
    pub fn payload_bytes_max(mut self, bytes: usize) -> Self {
        self.settings.limits = RowLimits::of_payload(bytes);
        self
    }

    /// Connects, and makes or updates the tables.
    ///
    /// # Errors
    /// `BadSetting` for a bad URL, prefix or number, and when the server takes no packets as large
    /// as rows may be; `SchemaTooNew` when a newer program made the tables; `Corrupt` when they are
    /// not this library's; `Denied` for a wrong password, a database that does not exist or a
    /// missing right; `Unavailable` when the server cannot be reached now: this does not wait for
    /// it, call it again. None of them tells the URL.
    pub async fn connect(self) -> Result<MySql, StorageError> {
        MySql::connect_with(self).await.map_err(of_connecting)
    }

    /// The driver's options.
    ///
    /// # Errors
    /// `BadSetting`.
    pub(super) fn driver(&self) -> Result<MySqlConnectOptions, StorageError> {
        self.settings.check::<MySqlDialect>(&URLS)?;
        let options: MySqlConnectOptions = URLS.options(&self.settings.url)?;
        if options.get_database().is_none_or(str::is_empty) {
            return Err(URLS.bad());
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

const URLS: Urls = Urls {
    schemes: ["mysql://", "mariadb://"],
    example: "mysql://user:password@host:3306/database",
    parameters: PARAMETERS,
};

/// What URLs may say.
const PARAMETERS: &[&str] = &[
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
