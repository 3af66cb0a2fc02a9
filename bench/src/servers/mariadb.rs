//! MariaDB.

use bench_kit::Counts;
use cluster::prelude::*;
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection};

use super::Server;

/// A database on a MariaDB.
#[derive(Clone)]
pub(crate) struct Mariadb {
    /// A superuser's.
    url: String,
    database: &'static str,
}

const STATUS: &str = "SELECT lower(variable_name), CAST(variable_value AS SIGNED) \
    FROM information_schema.global_status WHERE variable_name IN \
    ('com_commit', 'com_insert', 'questions', 'queries', 'handler_write', 'handler_update', \
    'handler_delete', 'innodb_rows_inserted', 'innodb_rows_updated', 'innodb_rows_deleted')";

impl Server for Mariadb {
    const STORAGE: &'static str = "mariadb";
    type Storage = MySql;
    type Connection = MySqlConnection;

    fn place(name: &'static str) -> Option<Self> {
        let url = std::env::var("TEST_SERVERS_MARIADB").ok()?;
        Some(Mariadb { url, database: name })
    }

    fn counting(&self) -> Self {
        self.clone()
    }

    async fn clear(&self) {
        let database = self.database;
        let text = format!("DROP DATABASE IF EXISTS {database}; CREATE DATABASE {database}");
        self.run_outside(text).await;
    }

    async fn remove(&self) {
        self.run_outside(format!("DROP DATABASE {}", self.database)).await;
    }

    async fn open(&self, connections: Option<usize>) -> MySql {
        let mut options = MySql::options(self.url_inside());
        if let Some(connections) = connections {
            options = options.connections(connections);
        }
        options.connect().await.expect("the user may make tables")
    }

    async fn connect(&self) -> MySqlConnection {
        MySqlConnection::connect(&self.url_inside()).await.expect("the server answers")
    }

    async fn run(tool: &mut MySqlConnection, text: String) {
        tool.execute(sqlx::raw_sql(AssertSqlSafe(text))).await.expect("the statements are right");
    }

    async fn counts(&self) -> Counts {
        let mut tool = MySqlConnection::connect(&self.url).await.expect("the server answers");
        let status: Vec<(String, i64)> =
            sqlx::query_as(STATUS).fetch_all(&mut tool).await.expect("the server counts");
        let count = |name: &str| {
            let found = status.iter().find(|(known, _)| known == name);
            found.and_then(|(_, count)| u64::try_from(*count).ok()).unwrap_or_default()
        };
        if std::env::var_os("DEBUG_STATUS").is_some() {
            eprintln!("{status:?}");
        }
        Counts {
            commits: count("com_commit"),
            statements: Some(count("queries")),
            packets: Some(count("questions")),
            rows: ["inserted", "updated", "deleted"]
                .map(|what| count(&format!("innodb_rows_{what}")))
                .iter()
                .sum(),
        }
    }
}

impl Mariadb {
    /// Of connections that see the place's tables.
    fn url_inside(&self) -> String {
        let (server, _) = self.url.rsplit_once('/').expect("the URL names a database");
        format!("{server}/{}", self.database)
    }

    async fn run_outside(&self, text: String) {
        let mut tool = MySqlConnection::connect(&self.url).await.expect("the server answers");
        Self::run(&mut tool, text).await;
    }
}
