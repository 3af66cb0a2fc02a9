//! The server dies, or is as good as dead.

use std::time::Duration;

use test_servers::Kind;

use crate::{Database, Load};

/// Longer than anybody waits for an answer.
const OUTAGE: Duration = Duration::from_millis(2_500);

/// SIGKILL of all its processes in the middle of the load, again and again.
// proves: B52, B109, B245
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_killed_and_started_again() {
    let Some(mut database) = Database::start(Kind::Postgres) else { return };
    let load = Load::start(database.storage().await).await;
    for _ in 0..4 {
        load.answered(100).await;
        database.meanwhile(|server| server.kill()).unwrap();
        database.meanwhile(|server| server.start()).unwrap();
        load.answered(100).await;
    }
    load.stop(database.storage().await, &database.password()).await;
}

/// It stays away for longer than anybody waits for an answer.
// proves: B109, B245
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_stopped_for_a_while() {
    let Some(mut database) = Database::start(Kind::Postgres) else { return };
    let load = Load::start(database.storage().await).await;
    load.answered(100).await;
    database.meanwhile(|server| server.stop()).unwrap();
    load.stands_still(OUTAGE).await;
    database.meanwhile(|server| server.start()).unwrap();
    load.answered(100).await;
    load.stop(database.storage().await, &database.password()).await;
}

/// Its processes stand still, with connections open and statements under way, and go on when
/// everybody has given up on them: what arrives late then is not done beside what was done again.
// proves: B109, B115, B245
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_stands_still_and_goes_on() {
    let Some(mut database) = Database::start(Kind::Postgres) else { return };
    let load = Load::start(database.storage().await).await;
    for _ in 0..3 {
        load.answered(100).await;
        database.meanwhile(|server| server.halt()).unwrap();
        load.stands_still(OUTAGE).await;
        database.meanwhile(|server| server.go_on()).unwrap();
        load.answered(100).await;
    }
    load.stop(database.storage().await, &database.password()).await;
}
