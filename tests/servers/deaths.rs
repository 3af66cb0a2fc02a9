//! The server dies, or is as good as dead.

use std::time::Duration;

use test_servers::{Kind, Server};

use crate::{Database, Load};

/// Longer than anybody waits for an answer.
const OUTAGE: Duration = Duration::from_millis(2_500);

/// SIGKILL of all its processes in the middle of the load, again and again.
async fn is_killed_and_started_again(kind: Kind) {
    let Some(mut database) = Database::start(kind) else { return };
    let load = Load::start(&database, database.storage().await).await;
    for _ in 0..4 {
        load.answered(100).await;
        database = database.meanwhile(Server::kill).await;
        database = database.meanwhile(Server::start).await;
        load.answered(100).await;
    }
    load.stop(&database, database.storage().await).await;
}

// proves: B52, B109, B245
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_killed_and_started_again() {
    is_killed_and_started_again(Kind::Postgres).await;
}

// proves: B52, B109, B245
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_is_killed_and_started_again() {
    is_killed_and_started_again(Kind::Mariadb).await;
}

/// A restart ends connections that nobody uses: who needs one next has another.
async fn is_started_again_between_transactions(kind: Kind) {
    let Some(mut database) = Database::start(kind) else { return };
    let storage = database.storage().await;
    let transactions = storage.transactions().unwrap();
    let mut open = Vec::new();
    for _ in 0..7 {
        open.push(transactions.begin().await.unwrap());
    }
    for open in open {
        open.rollback().await;
    }
    database = database.meanwhile(Server::restart).await;
    transactions.begin().await.unwrap().rollback().await;
    drop(database);
}

// proves: B109
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_started_again_between_transactions() {
    is_started_again_between_transactions(Kind::Postgres).await;
}

// proves: B109
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_is_started_again_between_transactions() {
    is_started_again_between_transactions(Kind::Mariadb).await;
}

/// It stays away for longer than anybody waits for an answer.
async fn is_stopped_for_a_while(kind: Kind) {
    let Some(mut database) = Database::start(kind) else { return };
    let load = Load::start(&database, database.storage().await).await;
    load.answered(100).await;
    database = database.meanwhile(Server::stop).await;
    load.stands_still(OUTAGE).await;
    database = database.meanwhile(Server::start).await;
    load.answered(100).await;
    load.stop(&database, database.storage().await).await;
}

// proves: B109, B245
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_stopped_for_a_while() {
    is_stopped_for_a_while(Kind::Postgres).await;
}

// proves: B109, B245
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_is_stopped_for_a_while() {
    is_stopped_for_a_while(Kind::Mariadb).await;
}

/// Its processes stand still, with connections open and statements under way, and go on when
/// everybody has given up on them: what arrives late then is not done beside what was done again.
async fn stands_still_and_goes_on(kind: Kind) {
    let Some(mut database) = Database::start(kind) else { return };
    let load = Load::start(&database, database.storage().await).await;
    for _ in 0..3 {
        load.answered(100).await;
        database = database.meanwhile(Server::halt).await;
        load.stands_still(OUTAGE).await;
        database = database.meanwhile(Server::go_on).await;
        load.answered(100).await;
    }
    load.stop(&database, database.storage().await).await;
}

// proves: B109, B115, B245
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_stands_still_and_goes_on() {
    stands_still_and_goes_on(Kind::Postgres).await;
}

// proves: B109, B115, B245
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_stands_still_and_goes_on() {
    stands_still_and_goes_on(Kind::Mariadb).await;
}
