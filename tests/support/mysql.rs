//! Where databases on a MariaDB server are.

// Each suite uses its part of this.
#![allow(dead_code)]

use std::sync::atomic::{AtomicU32, Ordering};

use cluster_core::time::Clock;
use cluster_sql::MySql;
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection};
use test_servers::{Kind, shared};

/// A database of its own on the server that all tests share.
pub(crate) struct Database {
    pub(crate) url: String,
    pub(crate) name: String,
}

impl Database {
    /// Makes a new one; `None` without a server.
    pub(crate) async fn new() -> Option<Database> {
        static DATABASES: AtomicU32 = AtomicU32::new(0);
        let server = shared(Kind::Mariadb)?;
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let database = format!("test_{}_{number}", std::process::id());
        let mut tool = MySqlConnection::connect(&server).await.expect("the server answers");
        let text = format!("DROP DATABASE IF EXISTS {database}; CREATE DATABASE {database}");
        let made = tool.execute(sqlx::raw_sql(AssertSqlSafe(text))).await;
        made.expect("a database can be made");
        let (server, _) = server.rsplit_once('/').expect("the URL names a database");
        Some(Database { url: format!("{server}/{database}"), name: database })
    }

    /// One that is there, by its URL.
    pub(crate) fn at(url: &str) -> Database {
        let (_, name) = url.rsplit_once('/').expect("the URL names it");
        Database { url: url.to_owned(), name: name.to_owned() }
    }

    pub(crate) async fn open(&self, clock: &Clock) -> MySql {
        let opened = MySql::options(&self.url).clock(clock.clone()).connections(6).connect();
        opened.await.expect("the tables can be made")
    }
}
