//! Where databases on a PostgreSQL server are.

// Each suite uses its part of this.
#![allow(dead_code)]

use std::sync::atomic::{AtomicU32, Ordering};

use cluster_core::time::Clock;
use cluster_sql::Postgres;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use test_servers::{Kind, shared};

/// A schema of its own on the server that all tests share.
pub(crate) struct Schema {
    pub(crate) url: String,
    pub(crate) name: String,
}

impl Schema {
    /// Makes a new one; `None` without a server.
    pub(crate) async fn new() -> Option<Schema> {
        static SCHEMAS: AtomicU32 = AtomicU32::new(0);
        let server = shared(Kind::Postgres)?;
        let number = SCHEMAS.fetch_add(1, Ordering::Relaxed);
        let schema = format!("test_{}_{number}", std::process::id());
        let mut tool = PgConnection::connect(&server).await.expect("the server answers");
        let text = format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}");
        let made = tool.execute(sqlx::raw_sql(AssertSqlSafe(text))).await;
        made.expect("a schema can be made");
        Some(Schema { url: format!("{server}?options[search_path]={schema}"), name: schema })
    }

    /// One that is there, by its URL.
    pub(crate) fn at(url: &str) -> Schema {
        let (_, name) = url.rsplit_once('=').expect("the URL names it");
        Schema { url: url.to_owned(), name: name.to_owned() }
    }

    pub(crate) async fn open(&self, clock: &Clock) -> Postgres {
        let opened = Postgres::options(&self.url).clock(clock.clone()).connections(6).connect();
        opened.await.expect("the tables can be made")
    }
}
