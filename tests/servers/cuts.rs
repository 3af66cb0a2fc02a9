//! Connections are cut at any message, also while it commits: nobody knows what became of it.

use test_servers::Kind;

use crate::support::until;
use crate::{Database, Load, Proxy};

/// How many connections are cut.
const CUTS: u64 = 40;

async fn connections_are_cut(kind: Kind) {
    let Some(database) = Database::start(kind) else { return };
    let proxy = Proxy::before(database.server.port(), 7).await;
    let load =
        Load::start(&database, database.storage_at(&database.url_by(proxy.port)).await).await;
    load.answered(100).await;
    proxy.cut(true);
    until(|| proxy.cuts() >= CUTS).await;
    proxy.cut(false);
    load.answered(100).await;
    load.stop(&database, database.storage().await).await;
}

// proves: B52, B109, B245
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_to_postgres_are_cut() {
    connections_are_cut(Kind::Postgres).await;
}

// proves: B52, B109, B245
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_to_mariadb_are_cut() {
    connections_are_cut(Kind::Mariadb).await;
}
