//! The storage: its connections, and the traits' calls.

use cluster_core::storage::Database;
use sqlx::mysql::MySqlConnectOptions;

use super::commit::write_at_once;
use super::dialect::MySqlDialect;
use super::options::MySqlOptions;
use super::session::{Session, settings};
use super::shards::take_shards;
use super::takeover::Writer;
use super::texts::AllTexts;
use super::{marks, reads, retention, schema};
use crate::server::{Inner, Purpose, Server, server_storage, writer_name};

/// A storage in a MariaDB database, 10.5 or newer: made with [`MySql::connect`] or
/// [`MySql::options`]. It is tested with MariaDB 10.11. MySQL 8 is not tested: what is there for it
/// writes batches statement by statement, which is slower.
///
/// One program at a time has the tables of a prefix: a second one that starts ends the first.
///
/// The tables are made in the database that the URL names. Users' own tables may live in the same
/// one; in a handler's transaction they are reached by a [`sqlx::MySqlConnection`], whose isolation
/// level is `READ COMMITTED`, whose SQL mode is strict and whose time zone is UTC. Promises hold as
/// far as the server keeps what it has acknowledged: `innodb_flush_log_at_trx_commit` at 1,
/// `sync_binlog` at 1 where there is a binary log, and its format not `STATEMENT`. The character
/// set of the database does not matter: nothing of ours takes its default.
///
/// A program needs the rights `SELECT`, `INSERT`, `UPDATE` and `DELETE`; the one that makes the
/// tables also `CREATE`, `INDEX`, `REFERENCES`, `CREATE VIEW` and `DROP`. The views
/// `cluster_requests`, `cluster_outcomes`, `cluster_pending_requests`, `cluster_dead_letters` and
/// `cluster_entity_states` show people what is stored.
///
/// Connections must not go through a proxy that shares them between transactions.
///
/// Keys of requests stand in an index of 50 to 90 bytes for each that is within its
/// `deduplication_window`: up to 900 MB for ten million. Keys whose 8 characters from the first
/// digit other than 0 on count up over all entities, as with order numbers, Unix times, ULIDs and
/// UUIDs of version 7, are met where the last ones were, and are fast however many there are.
/// Others are met anywhere, and are fast while `innodb_buffer_pool_size` holds it.
///
/// Clones share it.
#[derive(Clone)]
pub struct MySql {
    pub(super) inner: Arc<Inner<MySqlServer>>,
}

/// A MariaDB or MySQL server.
pub(super) struct MySqlServer {
    options: MySqlConnectOptions,
    texts: Arc<AllTexts>,
    writer: Arc<Writer>,
    settings: Arc<str>,
}

impl Server for MySqlServer {
    type Dialect = MySqlDialect;
    type Session = Session;

    async fn connect(&self, purpose: Purpose) -> Result<Session, StorageError> {
        let (texts, settings) = (self.texts.clone(), self.settings.clone());
        let mut session = Session::connect(&self.options, purpose, texts, settings).await?;
        self.writer.made(&mut session).await?;
        Ok(session)
    }
}

impl MySql {
    /// Connects with all defaults, tables under `cluster_`. The URL is as
    /// `mysql://user:password@host:3306/database`; `ssl-mode` and `ssl-ca` in it say whether and
    /// how the connection is encrypted, as for the server's own tools.
    ///
    /// # Errors
    /// As [`MySqlOptions::connect`].
    pub async fn connect(url: impl Into<String>) -> Result<Self, StorageError> {
        Self::options(url).connect().await
    }

    /// Settings for connecting.
    pub fn options(url: impl Into<String>) -> MySqlOptions {
        MySqlOptions::new(url.into())
    }

    /// Names and texts of all statements that the storage runs on its tables, for tests that ask
    /// the database how it would run them.
    #[doc(hidden)]
    pub fn statements(prefix: &str) -> Vec<(String, String)> {
        AllTexts::new(prefix).named()
    }

    async fn take_over(&self) -> Result<(), StorageError> {
        let writer = &self.inner.server.writer;
        let taken = writing!(self.inner, session => writer.take_over(session));
        // Those made before are not written down.
        self.inner.forget_idle();
        taken
    }

    pub(super) async fn connect_with(options: MySqlOptions) -> Result<Self, StorageError> {
        let server = MySqlServer {
            options: options.driver()?,
            texts: Arc::new(AllTexts::new(&options.settings.prefix)),
            writer: Writer::new(writer_name(&options.settings.prefix)),
            settings: settings(options.settings.lock_timeout()),
        };
        let inner = Inner::new(server, options.settings);
        let mut lease = inner.writers.lease().await?;
        check_server(&inner.settings.limits, &lease.session)?;
        let answers = lease.session.answers().clone();
        inner.within_or_unknown(answers, schema::migrate(&mut lease.session)).await?;
        lease.keep();
        Ok(MySql { inner: Arc::new(inner) })
    }
}

/// The most bytes of a row beside its payload: ids, a key, headers.
const ROW_BYTES_MAX: usize = 256 << 10;

/// Says whether the server is set so that it takes what is written: each row in a packet, also one
/// that is read together with its outcome.
fn check_server(limits: &RowLimits, session: &Session) -> Result<(), StorageError> {
    if session.logs_statements {
        let reason = "the server refuses transactions of this isolation level while it is \
            STATEMENT: set it to ROW or MIXED";
        return Err(StorageError::BadSetting { setting: "binlog_format", reason: reason.into() });
    }
    let payload = limits.payload_bytes_max;
    let needed = payload.saturating_mul(2).saturating_add(ROW_BYTES_MAX);
    if session.takes(needed) {
        return Ok(());
    }
    let reason = format!(
        "the server takes packets of {} bytes, and payloads of {payload} bytes need {needed}: \
        raise its max_allowed_packet, or lower payload_bytes_max",
        session.packet_bytes_max,
    );
    Err(StorageError::BadSetting { setting: "max_allowed_packet", reason })
}

impl Database for MySql {
    type Connection = sqlx::MySqlConnection;
    const NAME: &'static str = MySqlDialect::KIND;
}

server_storage!(MySql, MySqlDialect);
