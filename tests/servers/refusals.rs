//! The server is there and refuses: it may not write, its disk is full, it has no room for another
//! connection. Callers hear why, and the cluster goes on when the server does.

use std::time::Duration;

use test_servers::{Kind, Server};

use crate::{Database, Load};

/// Longer than anybody waits for an answer.
const OUTAGE: Duration = Duration::from_millis(2_500);

// proves: B109
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_may_not_write_for_a_while() {
    let Some(database) = Database::start(Kind::Postgres) else { return };
    let load = Load::start(&database, database.storage().await).await;
    load.answered(100).await;
    let only_reads = "ALTER SYSTEM SET default_transaction_read_only = on";
    database.administer(&[only_reads, "SELECT pg_reload_conf()"]).await;
    load.told("read-only transaction").await;
    // The administrator's own connections write nothing else either.
    let writes = "ALTER SYSTEM RESET default_transaction_read_only";
    database.administer(&[writes, "SELECT pg_reload_conf()"]).await;
    load.answered(100).await;
    load.stop(&database, database.storage().await).await;
}

async fn the_disk_is_full_for_a_while(kind: Kind) {
    let Some(mut database) = Database::start_on_small_disk(kind) else { return };
    // Much in each call, so that what is allocated already is soon full.
    let load = Load::start_with(database.storage().await, 100_000, |builder| builder).await;
    load.answered(50).await;
    database = database.meanwhile(Server::fill_disk).await;
    load.told("").await;
    database = database.meanwhile(Server::free_disk).await;
    // It gives up where it cannot write its log, as it must.
    database = database.meanwhile(Server::restart).await;
    load.answered(50).await;
    load.stop(&database, database.storage().await).await;
}

// proves: B109
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disk_of_postgres_is_full_for_a_while() {
    the_disk_is_full_for_a_while(Kind::Postgres).await;
}

// proves: B109
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disk_of_mariadb_is_full_for_a_while() {
    the_disk_is_full_for_a_while(Kind::Mariadb).await;
}

/// It holds for those alone who are no administrators.
// proves: B109
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_may_not_write_for_a_while() {
    let Some(database) = Database::start(Kind::Mariadb) else { return };
    let url = database.add_user().await;
    let load = Load::start(&database, database.storage_at(&url).await).await;
    load.answered(100).await;
    database.administer(&["SET GLOBAL read_only = 1"]).await;
    load.told("read-only option").await;
    database.administer(&["SET GLOBAL read_only = 0"]).await;
    load.answered(100).await;
    load.stop(&database, database.storage_at(&url).await).await;
}

/// The server ends all of the cluster's connections and gives it no other.
async fn gives_no_connection_for_a_while(database: Database, [none, end, as_before]: [&str; 3]) {
    let url = database.add_user().await;
    let load = Load::start(&database, database.storage_at(&url).await).await;
    load.answered(100).await;
    database.administer(&[none, end]).await;
    load.stands_still(OUTAGE).await;
    database.administer(&[as_before]).await;
    load.answered(100).await;
    load.stop(&database, database.storage_at(&url).await).await;
}

// proves: B109
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_gives_no_connection_for_a_while() {
    let Some(database) = Database::start(Kind::Postgres) else { return };
    let none = "ALTER ROLE lesser CONNECTION LIMIT 0";
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'lesser'";
    let as_before = "ALTER ROLE lesser CONNECTION LIMIT -1";
    gives_no_connection_for_a_while(database, [none, end, as_before]).await;
}

// proves: B109
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_gives_no_connection_for_a_while() {
    let Some(database) = Database::start(Kind::Mariadb) else { return };
    let none = "ALTER USER lesser@'%' ACCOUNT LOCK";
    let as_before = "ALTER USER lesser@'%' ACCOUNT UNLOCK";
    gives_no_connection_for_a_while(database, [none, "KILL USER lesser", as_before]).await;
}
