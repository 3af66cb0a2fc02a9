//! Under a load that never ends the tables do not grow for ever.

use std::time::Duration;

use test_servers::Kind;

use crate::{Database, Load};

/// Calls of one round: far more than are kept for the shortest time.
const ROUND: u64 = 2_000;
/// Rounds after which the tables have the size that they keep.
const GROWING: usize = 4;
/// Rounds after these, in which they must not grow much more.
const STEADY: usize = 16;
/// The bytes that are not yet much: servers make files longer by a megabyte or more at once. When
/// nothing is removed, all rounds leave more: 23 MB on PostgreSQL, 39 MB on MariaDB.
const LITTLE: i64 = 16 << 20;

/// `size` asks for the bytes of all tables with their indexes, `dead` for what nobody sees any more
/// in them, of which a call leaves about `each`. How much that is goes up and down, so it is the
/// least of the steady rounds that counts: less than one round leaves.
async fn tables_level_off(database: Database, size: &str, dead: &str, each: i64) {
    let load = Load::start_with(database.storage().await, 100, |builder| {
        builder.config(|config| {
            config.deduplication_window = Duration::from_millis(500);
            config.retention_interval = Duration::from_millis(100);
        })
    });
    let load = load.await;
    let mut tool = database.tool().await;
    let (mut sizes, mut remains) = (Vec::new(), Vec::new());
    for _ in 0..GROWING + STEADY {
        load.answered(ROUND).await;
        sizes.push(tool.number(size).await);
        remains.push(tool.number(dead).await);
    }
    let (growing, steady) = sizes.split_at(GROWING);
    let kept = *growing.iter().max().unwrap();
    assert!(*steady.iter().max().unwrap() < LITTLE.max(kept * 3 / 2), "{sizes:?}");
    let least = remains[GROWING..].iter().min().unwrap();
    assert!(*least < each * ROUND as i64, "{remains:?}");
    load.stop(&database, database.storage().await).await;
}

// proves: B111
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_postgres_level_off() {
    // The server looks for dead rows as often as it can; each minute, unless it is told.
    let naptime = ("autovacuum_naptime", "1s");
    let Some(database) = Database::start_with(Kind::Postgres, naptime.0, naptime.1) else { return };
    let size = "SELECT sum(pg_total_relation_size(relid))::bigint FROM pg_stat_user_tables \
        WHERE relname LIKE 'cluster\\_%'";
    // Old versions: a call leaves about eleven.
    let dead = "SELECT sum(n_dead_tup)::bigint FROM pg_stat_user_tables \
        WHERE relname LIKE 'cluster\\_%'";
    tables_level_off(database, size, dead, 10).await;
}

// proves: B111
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_mariadb_level_off() {
    let Some(database) = Database::start(Kind::Mariadb) else { return };
    let size = "SELECT CAST(SUM(file_size) AS SIGNED) \
        FROM information_schema.innodb_sys_tablespaces WHERE name LIKE 'test/cluster\\_%'";
    // Transactions whose old versions are still there: nearly one for each call.
    let dead = "SELECT CAST(variable_value AS SIGNED) FROM information_schema.global_status \
        WHERE variable_name = 'INNODB_HISTORY_LIST_LENGTH'";
    tables_level_off(database, size, dead, 1).await;
}
