//! The storage: its connections, and the traits' calls.

use std::collections::HashSet;

use cluster_core::storage::Database;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};

use super::commit::{Care, write_at_once};
use super::dialect::PostgresDialect;
use super::error::sure;
use super::options::{PostgresOptions, URLS};
use super::session::Session;
use super::shards::take_shards;
use super::takeover::take_over;
use super::texts::AllTexts;
use super::{marks, reads, retention, schema};
use crate::server::{
    Answers, IDLE_IN_TRANSACTION, Inner, Purpose, Server, name_of_one, server_storage, writer_name,
};

/// A storage in a PostgreSQL database, 13 or newer: made with [`Postgres::connect`] or
/// [`Postgres::options`].
///
/// The tables are made in the first schema of the search path. Users' own tables may live in the
/// same database, whose encoding must be `UTF8`; in a handler's transaction they are reached by a
/// [`sqlx::PgConnection`]. Promises
/// hold as far as the server keeps what it has acknowledged: `fsync` and `synchronous_commit` on,
/// and replicas, if one of them may take over, synchronous.
///
/// One program at a time has the tables of a prefix: a second one that starts ends the first.
///
/// A program needs the rights `SELECT`, `INSERT`, `UPDATE` and `DELETE` on the tables; the one that
/// makes them owns them, and needs `CREATE` and `USAGE` on the schema. The views
/// `cluster_requests`, `cluster_outcomes`, `cluster_pending_requests`, `cluster_dead_letters` and
/// `cluster_entity_states` show people what is stored.
///
/// It works behind a pooler in transaction mode with [`PostgresOptions::prepared_statements`] off.
/// That is tested with PgBouncer 1.18, and all else with PostgreSQL 15; not tested are other
/// versions, and poolers that keep prepared statements, such as PgBouncer from 1.21 on, with these
/// left on.
///
/// Keys of requests stand in an index of 50 to 90 bytes for each that is within its
/// `deduplication_window`: up to 900 MB for ten million. Keys whose 8 characters from the first
/// digit other than 0 on count up over all entities, as with order numbers, Unix times, ULIDs and
/// UUIDs of version 7, are met where the last ones were, and are fast however many there are.
/// Others are met anywhere, and are fast while `shared_buffers` hold it; and after each checkpoint
/// the server logs every page of it as a whole once more, so checkpoints should be rare:
/// `max_wal_size` says by how much log they come.
///
/// A server that logs statements logs what a handler's transaction ends with, values and all, also
/// where it logs but those that fail. Who sends a key again may make it log 8 bytes of that key;
/// with [`PostgresOptions::prepared_statements`] off, all of the batch in which that key is.
///
/// Clones share it. Its connections carry the table prefix, the process's number and random digits
/// as their `application_name`, those of handlers' transactions a suffix of their own; who
/// takes over ends what those before have left open, if it is the same role. What another role has
/// left open holds its locks until the server finds out that its client is gone.
#[derive(Clone)]
pub struct Postgres {
    pub(super) inner: Arc<Inner<PostgresServer>>,
}

/// A PostgreSQL server.
pub(super) struct PostgresServer {
    options: PgConnectOptions,
    texts: Arc<AllTexts>,
    prepared: bool,
    /// What every connection is set to.
    setting: String,
    care: Arc<Care>,
    /// Of its connections.
    name: String,
}

impl Server for PostgresServer {
    type Dialect = PostgresDialect;
    type Session = Session;

    async fn connect(&self, purpose: Purpose) -> Result<Session, StorageError> {
        let (mut options, mut name) = (self.options.clone(), String::new());
        if purpose == Purpose::Users {
            name = name_of_one(&self.name);
            options = options.application_name(&name);
        }
        let mut connection = options.connect().await.map_err(sure)?;
        // Where statements are not prepared, a pooler may give the connection to others, who want
        // none of this.
        let setting = if self.prepared { &*self.setting } else { "" };
        if !setting.is_empty() {
            // A user's own statements are planned as the server likes.
            let text = match purpose {
                Purpose::Users => setting.to_owned(),
                Purpose::Storage => {
                    let idle = IDLE_IN_TRANSACTION.as_millis();
                    format!("{setting}; {FOR_STORAGE}; SET {IDLE} = {idle}")
                }
            };
            connection.execute(sqlx::raw_sql(AssertSqlSafe(text))).await.map_err(sure)?;
        }
        let mut session = Session {
            connection,
            texts: self.texts.clone(),
            prepared: self.prepared,
            care: self.care.clone(),
            name: String::new(),
            is_direct: false,
            ends: HashSet::new(),
            kept: String::new(),
            answers: Answers::default(),
        };
        if purpose == Purpose::Users {
            session.prepare_for_users(name, setting).await.map_err(sure)?;
        }
        Ok(session)
    }
}

/// All statements of the storage have plans that are good for any values: that of a batch took
/// longer to make than to follow, where few have waited. `NULL` in an array is none whatever old
/// programs want.
const FOR_STORAGE: &str = "SET plan_cache_mode = force_generic_plan; SET array_nulls = on";

const IDLE: &str = "idle_in_transaction_session_timeout";

/// The longest time that the server waits for a lock, in milliseconds.
const LOCK_MS_MAX: u128 = i32::MAX as u128;

impl Postgres {
    /// Connects with all defaults, tables under `cluster_`. The URL is as
    /// `postgres://user:password@host:5432/database`; `sslmode` and `sslrootcert` in it say whether
    /// and how the connection is encrypted, as for the server's own tools.
    ///
    /// # Errors
    /// As [`PostgresOptions::connect`].
    pub async fn connect(url: impl Into<String>) -> Result<Self, StorageError> {
        Self::options(url).connect().await
    }

    /// Settings for connecting.
    pub fn options(url: impl Into<String>) -> PostgresOptions {
        PostgresOptions::new(url.into())
    }

    /// Names and texts of all statements that the storage runs on its tables, for tests that ask
    /// the database how it would run them.
    #[doc(hidden)]
    pub fn statements(prefix: &str) -> Vec<(String, String)> {
        AllTexts::new(prefix).named()
    }

    async fn take_over(&self) -> Result<(), StorageError> {
        let name = &self.inner.server.name;
        writing!(self.inner, session => take_over(session, name))
    }

    pub(super) async fn connect_with(options: PostgresOptions) -> Result<Self, StorageError> {
        options.settings.check::<PostgresDialect>(&URLS)?;
        let name = writer_name(&options.settings.prefix);
        let (driver, prepared) = (options.driver(&name)?, options.is_prepared());
        let lock_ms = options.settings.lock_timeout().as_millis().clamp(1, LOCK_MS_MAX);
        let inner = |tables: &str| {
            let server = PostgresServer {
                options: driver.clone(),
                name: name.clone(),
                texts: Arc::new(AllTexts::new(tables)),
                prepared,
                setting: format!("SET lock_timeout = {lock_ms}"),
                care: Arc::default(),
            };
            Inner::new(server, options.settings.clone())
        };
        let prefix = &options.settings.prefix;
        let making = inner(prefix);
        let mut lease = making.writers.lease().await?;
        let answers = lease.session.answers().clone();
        let schema = schema::migrate(&mut lease.session);
        let schema = making.within_or_unknown(answers, schema).await?;
        // With their schema, for a handler may look for its own tables elsewhere.
        Ok(Postgres { inner: Arc::new(inner(&format!("{schema}.{prefix}"))) })
    }
}

impl Database for Postgres {
    type Connection = sqlx::PgConnection;
    const NAME: &'static str = PostgresDialect::KIND;
}

server_storage!(Postgres, PostgresDialect);
