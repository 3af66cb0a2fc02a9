//! One runner has a database on a server: who starts beside it ends it, and both say so.

use std::sync::Arc;

use cluster::prelude::*;
use cluster::storage::Storage;
use cluster::time::Clock;

use crate::log::{Echo, Log};
use crate::support::{soon, until};

#[path = "../support/mysql.rs"]
mod mysql;
#[path = "../support/postgres.rs"]
mod postgres;

async fn start(storage: &Arc<dyn Storage>) -> Cluster {
    let builder = Cluster::builder().storage(storage.clone()).entity::<Echo>();
    let builder = builder.config(|config| config.renewal = Duration::from_millis(50));
    soon(builder.start()).await.unwrap()
}

async fn both_say_so(one: Arc<dyn Storage>, other: Arc<dyn Storage>) {
    let (log, _listening) = Log::listen();
    let first = start(&one).await;
    soon(first.shutdown()).await.unwrap();
    let second = start(&one).await;
    assert_eq!(log.of("takes the database"), [""; 0], "nobody had it");
    let third = start(&other).await;
    let told = log.of("takes the database");
    assert!(told.len() == 1 && told[0].starts_with("WARN"), "{told:?}");
    assert!(told[0].contains("incarnation=2"), "{told:?}");
    until(|| !log.of("this runner ends").is_empty()).await;
    let told = log.of("this runner ends");
    assert!(told.len() == 1 && told[0].starts_with("ERROR"), "{told:?}");
    assert!(told[0].contains("another one has taken over"), "{told:?}");
    drop((second, third));
}

#[tokio::test]
async fn both_say_so_on_postgres() {
    let Some(schema) = postgres::Schema::new().await else { return };
    let storages = (schema.open(&Clock::system()).await, schema.open(&Clock::system()).await);
    both_say_so(Arc::new(storages.0), Arc::new(storages.1)).await;
}

#[tokio::test]
async fn both_say_so_on_mariadb() {
    let Some(database) = mysql::Database::new().await else { return };
    let storages = (database.open(&Clock::system()).await, database.open(&Clock::system()).await);
    both_say_so(Arc::new(storages.0), Arc::new(storages.1)).await;
}
