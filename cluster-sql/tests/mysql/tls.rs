//! TLS to MariaDB as the URL asks for it. The certificates in `tls` are for nothing else; nobody
//! has the keys of the roots.

use std::path::{Path, PathBuf};

use cluster_core::storage::StorageError;
use cluster_sql::MySql;
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection};
use test_servers::{Kind, Server, private, shared};

/// Copies of the server's files where its account may read them; removed at the end.
struct Files(PathBuf);

impl Files {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("cluster-tls-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("server.pem"), include_str!("../tls/server.pem")).unwrap();
        std::fs::write(folder.join("server.key"), include_str!("../tls/server.key")).unwrap();
        Files(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn the_url_says_whether_and_how_connections_are_encrypted() {
    let Some(launch) = private(Server::mariadb()) else { return };
    let files = Files::new();
    let launch = launch.setting("ssl-cert", &files.path("server.pem"));
    let launch = launch.setting("ssl-key", &files.path("server.key"));
    let server = tokio::task::spawn_blocking(|| launch.start()).await.unwrap().unwrap();
    let mut tool = MySqlConnection::connect(&server.url()).await.unwrap();
    // One whom the server lets in by an encrypted connection alone.
    let user = "CREATE USER careful@'%' IDENTIFIED BY 'careful' REQUIRE SSL; \
        GRANT ALL PRIVILEGES ON *.* TO careful@'%'";
    tool.execute(sqlx::raw_sql(AssertSqlSafe(user))).await.unwrap();
    let url = server.url();
    let (_, place) = url.rsplit_once('@').unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls");
    let by_tls = |root: &str| {
        let root = folder.join(root);
        let tls = format!("ssl-mode=verify_identity&ssl-ca={}", root.display());
        MySql::connect(format!("mysql://careful:careful@{place}?{tls}"))
    };

    by_tls("root.pem").await.unwrap();
    let stranger = by_tls("another_root.pem").await;
    assert!(matches!(stranger, Err(StorageError::Unavailable { .. })), "{stranger:?}");
    let open = "mysql://careful:careful";
    let plain = MySql::connect(format!("{open}@{place}?ssl-mode=disabled")).await;
    assert!(matches!(plain, Err(StorageError::Denied { .. })), "{plain:?}");
    MySql::connect(format!("{url}?ssl-mode=disabled")).await.unwrap();
    // The server that all tests share has no certificate.
    let without = shared(Kind::Mariadb).expect("there is one where there are private ones");
    let plain = MySql::connect(format!("{without}?ssl-mode=required")).await;
    assert!(matches!(plain, Err(StorageError::Unavailable { .. })), "{plain:?}");
}
