//! A schema of its own for each test, on the server that an environment variable names.
#![allow(dead_code)] // Each test file uses what it needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cluster_core::storage::Storage;
use cluster_core::testing::suite::Backend;
use cluster_sql::{Postgres, PostgresOptions};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

/// Where the server is: a URL without a query.
const VARIABLE: &str = "CLUSTER_TEST_POSTGRES";

/// A schema of its own for one case.
pub(crate) struct PostgresBackend {
    pub(crate) schema: String,
}

fn server() -> String {
    std::env::var(VARIABLE).unwrap_or_else(|_| panic!("{VARIABLE} names the server"))
}

impl PostgresBackend {
    /// A URL whose connections see this schema alone.
    pub(crate) fn url(&self) -> String {
        format!("{}?options[search_path]={}", server(), self.schema)
    }

    pub(crate) fn options(&self) -> PostgresOptions {
        Postgres::options(self.url())
    }

    /// A connection of a tool.
    pub(crate) async fn tool(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.expect("the server answers")
    }
}

impl Backend for PostgresBackend {
    async fn fresh() -> Self {
        static SCHEMAS: AtomicU32 = AtomicU32::new(0);
        let number = SCHEMAS.fetch_add(1, Ordering::Relaxed);
        let schema = format!("test_{}_{number}", std::process::id());
        let mut tool = PgConnection::connect(&server()).await.expect("the server answers");
        let text = format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}");
        let made = tool.execute(sqlx::raw_sql(AssertSqlSafe(text))).await;
        made.expect("a schema can be made");
        PostgresBackend { schema }
    }

    async fn open(&self, prefix: &str) -> Arc<dyn Storage> {
        Arc::new(self.options().prefix(prefix).connect().await.expect("the tables can be made"))
    }
}
