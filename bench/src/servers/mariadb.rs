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

/// Packets, statements by kind, rows. `queries` is not asked for: it counts every step of a
/// compound statement, also those that only compare or declare something.
const STATUS: &str = "SELECT lower(variable_name), CAST(variable_value AS SIGNED) \
    FROM information_schema.global_status WHERE variable_name IN \
    ('questions', 'handler_write', 'handler_delete') OR variable_name LIKE 'com\\_%'";
/// What is counted beside the statement that it is about.
const AROUND: [&str; 2] = ["com_compound_sql", "com_stmt_"];

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
        self.empty().await;
    }

    async fn empty(&self) {
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
        let sum = |is_wanted: &dyn Fn(&str) -> bool| -> u64 {
            let wanted = status.iter().filter(|(name, _)| is_wanted(name));
            wanted.filter_map(|(_, count)| u64::try_from(*count).ok()).sum()
        };
        let is_statement = |name: &str| {
            name.starts_with("com_") && !AROUND.iter().any(|around| name.starts_with(around))
        };
        Counts {
            commits: sum(&|name| name == "com_commit"),
            statements: Some(sum(&is_statement)),
            packets: Some(sum(&|name| name == "questions")),
            // Of a row that is inserted or else changed it is the attempt that counts.
            rows: sum(&|name| name.starts_with("handler_")),
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
