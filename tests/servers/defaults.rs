//! A server whose defaults are not the usual ones: connections of ours rely on none of them.

use test_servers::Kind;

use crate::{Database, Load};

async fn has_other_defaults(kind: Kind, defaults: &[&str]) {
    let Some(database) = Database::start(kind) else { return };
    database.administer(defaults).await;
    let load = Load::start(&database, database.storage().await).await;
    load.answered(500).await;
    load.stop(&database, database.storage().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_has_other_defaults() {
    let defaults = [
        "ALTER SYSTEM SET default_transaction_isolation = 'serializable'",
        "ALTER SYSTEM SET default_transaction_deferrable = on",
        "ALTER SYSTEM SET bytea_output = 'escape'",
        "ALTER SYSTEM SET standard_conforming_strings = off",
        "ALTER SYSTEM SET quote_all_identifiers = on",
        "ALTER SYSTEM SET datestyle = 'SQL, DMY'",
        "ALTER SYSTEM SET intervalstyle = 'sql_standard'",
        "ALTER SYSTEM SET timezone = 'Asia/Kolkata'",
        "ALTER SYSTEM SET plan_cache_mode = 'force_custom_plan'",
        "ALTER SYSTEM SET transform_null_equals = on",
        "ALTER SYSTEM SET row_security = off",
        "ALTER SYSTEM SET synchronize_seqscans = off",
        "ALTER SYSTEM SET lock_timeout = '1ms'",
        "SELECT pg_reload_conf()",
    ];
    has_other_defaults(Kind::Postgres, &defaults).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_has_other_defaults() {
    let defaults = [
        "SET GLOBAL sql_select_limit = 1",
        "SET GLOBAL max_join_size = 1",
        "SET GLOBAL sql_safe_updates = 1",
        "SET GLOBAL completion_type = 'RELEASE'",
        "SET GLOBAL autocommit = 0",
        "SET GLOBAL sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,IGNORE_SPACE'",
        "SET GLOBAL tx_isolation = 'SERIALIZABLE'",
        "SET GLOBAL tx_read_only = 1",
        "SET GLOBAL default_storage_engine = 'MyISAM'",
        "SET GLOBAL innodb_default_row_format = 'compact'",
        "SET GLOBAL character_set_server = 'latin1'",
        "SET GLOBAL group_concat_max_len = 4",
        "SET GLOBAL time_zone = '-07:00'",
        "SET GLOBAL lock_wait_timeout = 1",
        "SET GLOBAL wait_timeout = 1",
        "SET GLOBAL max_statement_time = 0.001",
        "SET GLOBAL sql_auto_is_null = 1",
        "SET GLOBAL auto_increment_increment = 7",
    ];
    has_other_defaults(Kind::Mariadb, &defaults).await;
}
