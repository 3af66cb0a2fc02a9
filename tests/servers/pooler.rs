//! A pooler in transaction mode stands before PostgreSQL; it fails, or the way behind it.

use test_servers::{Kind, Server, private};

use crate::support::until;
use crate::{Database, Load, Proxy};

/// How many connections are cut.
const CUTS: u64 = 40;

/// The URL through a pooler that keeps no prepared statements.
fn unprepared(pooler: &Server) -> String {
    format!("{}?statement-cache-capacity=0", pooler.url())
}

// proves: B52, B109, B113
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pooler_is_killed_and_started_again() {
    let Some(database) = Database::start(Kind::Postgres) else { return };
    let Some(launch) = private(Server::pgbouncer(&database.server)) else { return };
    let mut pooler = Database::of(launch);
    let url = unprepared(&pooler.server);
    let load = Load::start(&database, database.storage_at(&url).await).await;
    for _ in 0..4 {
        load.answered(100).await;
        pooler = pooler.meanwhile(Server::kill).await;
        pooler = pooler.meanwhile(Server::start).await;
        load.answered(100).await;
    }
    load.stop(&database, database.storage_at(&url).await).await;
}

/// Behind the pooler: it tells its clients what it can, and others get what is left.
// proves: B52, B109, B113, B245
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_of_the_pooler_are_cut() {
    let Some(database) = Database::start(Kind::Postgres) else { return };
    let proxy = Proxy::before(database.server.port(), 8).await;
    let by_proxy = Server::pgbouncer_by(&database.server, proxy.port);
    // After a connection that failed the next is tried without waiting.
    let Some(launch) = private(by_proxy.setting("server_login_retry", "0")) else { return };
    let pooler = Database::of(launch);
    let url = unprepared(&pooler.server);
    let load = Load::start(&database, database.storage_at(&url).await).await;
    load.answered(100).await;
    proxy.cut(true);
    until(|| proxy.cuts() >= CUTS).await;
    proxy.cut(false);
    load.answered(100).await;
    load.stop(&database, database.storage_at(&url).await).await;
}
