//! A server that a test has for itself, whichever it is.

use std::sync::Arc;
use std::time::Duration;

use cluster::storage::Storage;
use cluster_sql::{MySql, Postgres};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, MySqlConnection, PgConnection};
use test_servers::{Kind, Launch, Server, private, private_on_disk};

use crate::logs;
use tokio::task::spawn_blocking;

/// Room for a data folder and little more.
const SMALL_DISK_BYTES: u64 = 320 << 20;

/// How long the storage waits for a connection or an answer: less than people would, so that a test
/// sees what happens then.
const PATIENCE: Duration = Duration::from_secs(1);

/// A server of its own.
pub(crate) struct Database {
    pub(crate) server: Server,
    kind: Kind,
}

impl Database {
    /// Starts a server of this kind; `None` without servers.
    pub(crate) fn start(kind: Kind) -> Option<Self> {
        private(launch(kind)).map(Self::of)
    }

    /// One whose disk can be filled; `None` also where there can be none.
    pub(crate) fn start_on_small_disk(kind: Kind) -> Option<Self> {
        let launch = match kind {
            Kind::Postgres => launch(kind).setting("max_wal_size", "64MB"),
            _ => launch(kind),
        };
        private_on_disk(launch, SMALL_DISK_BYTES).map(Self::of)
    }

    /// One with another setting.
    pub(crate) fn start_with(kind: Kind, setting: &str, value: &str) -> Option<Self> {
        private(launch(kind).setting(setting, value)).map(Self::of)
    }

    /// Starts it.
    pub(crate) fn of(launch: Launch) -> Self {
        let kind = launch.kind();
        let server = launch.start().expect("the server starts");
        let database = Database { server, kind };
        logs::watch_for(&database.password());
        database
    }

    /// The storage on it, as a program has it but for its patience.
    pub(crate) async fn storage(&self) -> Arc<dyn Storage> {
        self.storage_at(&self.server.url()).await
    }

    /// The same, by another way.
    pub(crate) async fn storage_at(&self, url: &str) -> Arc<dyn Storage> {
        // Tables are made by somebody patient.
        if self.kind == Kind::Mariadb {
            MySql::connect(self.server.url()).await.expect("the tables can be made");
            let options = MySql::options(url).connect_timeout(PATIENCE).answer_timeout(PATIENCE);
            return Arc::new(options.connect().await.expect("the tables are there"));
        }
        Postgres::connect(self.server.url()).await.expect("the tables can be made");
        let options = Postgres::options(url).connect_timeout(PATIENCE).answer_timeout(PATIENCE);
        Arc::new(options.connect().await.expect("the tables are there"))
    }

    /// A connection beside the cluster.
    pub(crate) async fn tool(&self) -> Tool {
        let url = self.server.url();
        match self.kind {
            Kind::Mariadb => {
                let mut tool = MySqlConnection::connect(&url).await.expect("the server answers");
                // Whatever a test has made the server's defaults.
                let usual = "SET tx_read_only = 0, max_statement_time = 0, sql_big_selects = 1, \
                    default_storage_engine = InnoDB";
                tool.execute(sqlx::raw_sql(usual)).await.expect("a superuser may");
                Tool::MySql(tool)
            }
            _ => Tool::Postgres(PgConnection::connect(&url).await.expect("the server answers")),
        }
    }

    /// Adds a user who may write and is no administrator; the URL that names him.
    pub(crate) async fn add_user(&self) -> String {
        let statements: &[&str] = match self.kind {
            Kind::Mariadb => &[
                "CREATE USER lesser@'%' IDENTIFIED BY 'lesser'",
                "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON *.* TO lesser@'%'",
            ],
            _ => &[
                "CREATE ROLE lesser LOGIN PASSWORD 'lesser'",
                "ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO lesser",
            ],
        };
        self.administer(statements).await;
        let url = self.server.url();
        let (scheme, rest) = url.split_once("://").expect("it is a URL");
        let (_, place) = rest.split_once('@').expect("it names a user");
        format!("{scheme}://lesser:lesser@{place}")
    }

    /// What an administrator does, each by a connection of its own.
    pub(crate) async fn administer(&self, statements: &[&str]) {
        for statement in statements {
            self.tool().await.run(statement).await;
        }
    }

    /// The URL by way of another port.
    pub(crate) fn url_by(&self, port: u16) -> String {
        let url = self.server.url();
        if self.kind == Kind::Mariadb {
            let (user, place) = url.rsplit_once('@').expect("the URL names a user");
            let (_, database) = place.split_once('/').expect("and a database");
            return format!("{user}@127.0.0.1:{port}/{database}");
        }
        let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
        options.port(port).to_url_lossy().to_string()
    }

    /// What must never be told.
    pub(crate) fn password(&self) -> String {
        self.server.url().split([':', '@']).nth(2).expect("the URL has one").to_owned()
    }

    /// Does something to the server, on a thread of its own: that blocks.
    ///
    /// # Panics
    /// If it cannot be done.
    pub(crate) async fn meanwhile(
        self,
        work: impl FnOnce(&mut Server) -> Result<(), String> + Send + 'static,
    ) -> Self {
        let Database { mut server, kind } = self;
        let done = spawn_blocking(move || work(&mut server).map(|()| server)).await;
        Database { server: done.expect("it does not panic").expect("it can be done"), kind }
    }
}

/// A connection beside the cluster.
pub(crate) enum Tool {
    Postgres(PgConnection),
    MySql(MySqlConnection),
}

impl Tool {
    pub(crate) async fn run(&mut self, statement: &str) {
        let statement = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()));
        let done = match self {
            Tool::Postgres(connection) => connection.execute(statement).await.map(drop),
            Tool::MySql(connection) => connection.execute(statement).await.map(drop),
        };
        done.expect("a superuser may");
    }

    /// The one number that a query gives.
    pub(crate) async fn number(&mut self, query: &str) -> i64 {
        let query = AssertSqlSafe(query.to_owned());
        let number = match self {
            Tool::Postgres(connection) => sqlx::query_scalar(query).fetch_one(connection).await,
            Tool::MySql(connection) => sqlx::query_scalar(query).fetch_one(connection).await,
        };
        number.expect("a superuser may")
    }
}

fn launch(kind: Kind) -> Launch {
    match kind {
        Kind::Postgres => Server::postgres(),
        Kind::Mariadb => Server::mariadb(),
        Kind::Pgbouncer => unreachable!("no storage of ours is on it"),
    }
}
