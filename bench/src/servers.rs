//! Database servers, where the environment names them: `cargo xtask bench` starts some.

use cluster::prelude::*;
use sqlx::{Connection, Executor, MySqlConnection, PgConnection};

/// The URL of a PostgreSQL, if there is one: a superuser's.
pub(crate) fn postgres_url() -> Option<String> {
    std::env::var("TEST_SERVERS_POSTGRES").ok()
}

/// Empty tables, and nothing left to write of those before.
pub(crate) async fn postgres(url: &str) -> Postgres {
    let prepare = "DROP SCHEMA IF EXISTS bench CASCADE; CREATE SCHEMA bench; CHECKPOINT";
    let mut tool = PgConnection::connect(url).await.expect("the server answers");
    tool.execute(sqlx::raw_sql(prepare)).await.expect("the user may make a schema");
    let opened = Postgres::connect(format!("{url}?options[search_path]=bench")).await;
    opened.expect("the user may make tables")
}

/// The URL of a MariaDB, if there is one: a superuser's.
pub(crate) fn mariadb_url() -> Option<String> {
    std::env::var("TEST_SERVERS_MARIADB").ok()
}

/// Empty tables.
pub(crate) async fn mariadb(url: &str) -> MySql {
    let (server, _) = url.rsplit_once('/').expect("the URL names a database");
    let mut tool = MySqlConnection::connect(url).await.expect("the server answers");
    let prepare = "DROP DATABASE IF EXISTS bench; CREATE DATABASE bench";
    tool.execute(sqlx::raw_sql(prepare)).await.expect("the user may make a database");
    let opened = MySql::connect(format!("{server}/bench")).await;
    opened.expect("the user may make tables")
}
