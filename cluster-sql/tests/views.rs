//! What people see of a cluster by SQL, in a file: the same as on servers.
#![allow(clippy::unwrap_used)] // Helpers of tests fail as tests do.

#[path = "support/mod.rs"]
mod folder;
#[path = "on_servers/views.rs"]
mod seen;

/// What the body needs of a database.
mod support {
    use cluster_core::storage::StorageError;
    use cluster_sql::Sqlite;
    use sqlx::{ConnectOptions, SqliteConnection, sqlite::SqliteConnectOptions};

    use crate::folder::Folder;
    pub(crate) use crate::folder::rows::{join, outcome, request};

    pub(crate) type Tool = SqliteConnection;

    pub(crate) const DUE_DAY: &str = "date(due_at)";
    pub(crate) const PAYLOAD: &str = "CAST(payload AS TEXT)";
    pub(crate) const NUL: &str = "\0";

    pub(crate) struct TestDatabase(Folder);

    impl TestDatabase {
        pub(crate) async fn make() -> Option<Self> {
            Some(TestDatabase(Folder::new()))
        }

        pub(crate) async fn connect(&self) -> Result<Sqlite, StorageError> {
            self.0.options().open().await
        }

        pub(crate) async fn tool(&self) -> SqliteConnection {
            let options = SqliteConnectOptions::new().filename(self.0.database());
            options.connect().await.expect("the file is there")
        }
    }
}
