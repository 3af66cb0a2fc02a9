//! PostgreSQL.

use bench_kit::Counts;
use cluster::prelude::*;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::Server;

/// A schema on a PostgreSQL.
#[derive(Clone)]
pub(crate) struct Postgresql {
    /// A superuser's.
    url: String,
    schema: &'static str,
    /// Of connections that are counted or not.
    track: &'static str,
}

/// Connections of others whose counts may be missing: they tell them as they end.
const OTHERS: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
    AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
/// Of the database: commits, rows.
const COMMITS: &str = "SELECT xact_commit, tup_inserted + tup_updated + tup_deleted \
    FROM pg_stat_database WHERE datname = current_database()";
/// Whether the server can count statements.
const IS_LOADED: &str =
    "SELECT current_setting('shared_preload_libraries') LIKE '%pg_stat_statements%'";
const MAKE_STATEMENTS: &str =
    "SET client_min_messages = warning; CREATE EXTENSION IF NOT EXISTS pg_stat_statements";
const STATEMENTS: &str = "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements \
    JOIN pg_database ON pg_database.oid = dbid WHERE datname = current_database()";
/// How often is looked whether the others have ended: some seconds.
const LOOKS_MAX: usize = 200;

impl Server for Postgresql {
    const STORAGE: &'static str = "postgres";
    type Storage = Postgres;
    type Connection = PgConnection;

    fn place(name: &'static str) -> Option<Self> {
        let url = std::env::var("TEST_SERVERS_POSTGRES").ok()?;
        Some(Postgresql { url, schema: name, track: "none" })
    }

    fn counting(&self) -> Self {
        Postgresql { track: "top", ..self.clone() }
    }

    async fn clear(&self) {
        self.empty().await;
        self.run_outside("CHECKPOINT".to_owned()).await;
    }

    async fn empty(&self) {
        let schema = self.schema;
        let text = format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}");
        self.run_outside(text).await;
    }

    async fn remove(&self) {
        self.run_outside(format!("DROP SCHEMA {} CASCADE; CHECKPOINT", self.schema)).await;
    }

    async fn open(&self, connections: Option<usize>) -> Postgres {
        let mut options = Postgres::options(self.url_inside());
        if let Some(connections) = connections {
            options = options.connections(connections);
        }
        options.connect().await.expect("the user may make tables")
    }

    async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url_inside()).await.expect("the server answers")
    }

    async fn run(tool: &mut PgConnection, text: String) {
        tool.execute(sqlx::raw_sql(AssertSqlSafe(text))).await.expect("the statements are right");
    }

    async fn counts(&self) -> Counts {
        let mut tool = PgConnection::connect(&self.url).await.expect("the server answers");
        for _ in 0..LOOKS_MAX {
            let others: i64 = scalar(&mut tool, OTHERS).await;
            if others == 0 {
                break;
            }
            tool.execute("SELECT pg_sleep(0.05)").await.expect("the server waits");
        }
        let statements = match scalar(&mut tool, IS_LOADED).await {
            true => {
                Self::run(&mut tool, MAKE_STATEMENTS.to_owned()).await;
                Some(number(scalar(&mut tool, STATEMENTS).await))
            }
            false => None,
        };
        let row: (i64, i64) =
            sqlx::query_as(COMMITS).fetch_one(&mut tool).await.expect("the server counts");
        Counts { commits: number(row.0), statements, packets: None, rows: number(row.1) }
    }
}

impl Postgresql {
    /// Of connections that see the place's tables.
    fn url_inside(&self) -> String {
        let Postgresql { url, schema, track } = self;
        // Who does not load the extension may set its variables all the same.
        format!("{url}?options[search_path]={schema}&options[pg_stat_statements.track]={track}")
    }

    async fn run_outside(&self, text: String) {
        let mut tool = PgConnection::connect(&self.url).await.expect("the server answers");
        Self::run(&mut tool, text).await;
    }
}

async fn scalar<T>(tool: &mut PgConnection, text: &'static str) -> T
where
    T: Send + Unpin,
    (T,): for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow>,
{
    sqlx::query_scalar(text).fetch_one(tool).await.expect("the server counts")
}

/// A count, which is never negative.
fn number(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}
