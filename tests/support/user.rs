//! What a user does with the database that a cluster is on, whichever it is.

use cluster::Transaction;
use cluster::prelude::*;
use cluster_sql::{MySql, Postgres, Sqlite};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row};
use sqlx::{MySqlConnection, PgConnection, SqliteConnection};

/// A connection of a user's own.
pub(crate) enum User {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
    MySql(MySqlConnection),
}

impl User {
    /// Connects to a file or by a URL.
    pub(crate) async fn connect(address: &str) -> User {
        let connected = match address.split_once("://") {
            Some(("postgres", _)) => PgConnection::connect(address).await.map(User::Postgres),
            Some(_) => MySqlConnection::connect(address).await.map(User::MySql),
            None => {
                let options = SqliteConnectOptions::new().filename(address).create_if_missing(true);
                options.connect().await.map(User::Sqlite)
            }
        };
        connected.expect("the database is there")
    }

    /// Runs statements.
    pub(crate) async fn run(&mut self, text: &str) {
        let text = sqlx::raw_sql(AssertSqlSafe(text.to_owned()));
        let done = match self {
            User::Sqlite(connection) => connection.execute(text).await.map(drop),
            User::Postgres(connection) => connection.execute(text).await.map(drop),
            User::MySql(connection) => connection.execute(text).await.map(drop),
        };
        done.expect("the statements can be run");
    }

    /// The numbers that a query gives, one in each row.
    pub(crate) async fn numbers(&mut self, text: &str) -> Vec<i64> {
        let text = AssertSqlSafe(text.to_owned());
        let numbers = match self {
            User::Sqlite(connection) => sqlx::query_scalar(text).fetch_all(connection).await,
            User::Postgres(connection) => sqlx::query_scalar(text).fetch_all(connection).await,
            User::MySql(connection) => sqlx::query_scalar(text).fetch_all(connection).await,
        };
        numbers.expect("the query can be run")
    }
}

/// A handler's own transaction.
pub(crate) enum Own<'a> {
    Sqlite(Transaction<'a, Sqlite>),
    Postgres(Transaction<'a, Postgres>),
    MySql(Transaction<'a, MySql>),
}

impl Own<'_> {
    /// That of the handler, of whichever database it is.
    pub(crate) async fn of(ctx: &Context) -> Result<Own<'_>, ClusterError> {
        match ctx.transaction::<Sqlite>().await {
            Err(error) if is_of_another(&error) => {}
            own => return own.map(Own::Sqlite),
        }
        match ctx.transaction::<Postgres>().await {
            Err(error) if is_of_another(&error) => ctx.transaction().await.map(Own::MySql),
            own => own.map(Own::Postgres),
        }
    }

    /// Runs statements in it.
    pub(crate) async fn run(&mut self, text: impl Into<String>) -> Result<(), sqlx::Error> {
        let text = sqlx::raw_sql(AssertSqlSafe(text.into()));
        match self {
            Own::Sqlite(own) => own.execute(text).await.map(drop),
            Own::Postgres(own) => own.execute(text).await.map(drop),
            Own::MySql(own) => own.execute(text).await.map(drop),
        }
    }

    /// How many columns the row has that a query gives, which stays prepared.
    pub(crate) async fn columns(&mut self, text: &str) -> Result<usize, sqlx::Error> {
        let text = AssertSqlSafe(text.to_owned());
        match self {
            Own::Sqlite(own) => Ok(sqlx::query(text).fetch_one(&mut **own).await?.len()),
            Own::Postgres(own) => Ok(sqlx::query(text).fetch_one(&mut **own).await?.len()),
            Own::MySql(own) => Ok(sqlx::query(text).fetch_one(&mut **own).await?.len()),
        }
    }
}

/// Whether the storage is of another kind than was asked for.
fn is_of_another(error: &ClusterError) -> bool {
    let source = std::error::Error::source(error);
    source.is_some_and(|source| source.to_string().ends_with("asked for"))
}
