//! What these tests share: a bed to start clusters on, a watch before the storage, and a probe
//! through which steps tell what they do.

mod bed;
#[path = "../../support/mysql.rs"]
mod mysql;
#[path = "../../support/postgres.rs"]
mod postgres;
mod probe;
#[path = "../../support/victim.rs"]
#[allow(dead_code, reason = "shared with the other suites, which need more of it")]
mod victim;
mod watch;

pub(crate) use bed::Bed;
pub(crate) use probe::Probe;
pub(crate) use victim::{Victim, be_victim, say};
pub(crate) use watch::{Side, Watch};

use cluster::time::Clock;
use cluster::{Cluster, DeadLetter};
use futures_util::TryStreamExt;
use test_servers::{Kind, shared};

/// How long a test may take before it counts as hanging.
const TEST_LIMIT: std::time::Duration = std::time::Duration::from_secs(60);

/// Runs each body on every storage: as `memory::name`, `sqlite::name` and, where there are servers,
/// `postgres::name` and `mysql::name`. With `on disk:` not in memory, which processes do not share.
macro_rules! backends {
    (on disk: $($name:ident),+ $(,)?) => {
        crate::support::backends!(@ sqlite $($name)+);
        crate::support::backends!(@ postgres $($name)+);
        crate::support::backends!(@ mysql $($name)+);
    };
    (@ $place:ident $($name:ident)+) => {
        mod $place {
            $(#[tokio::test]
            async fn $name() {
                if crate::support::is_there(stringify!($place)) {
                    crate::support::watched(super::$name(crate::support::Bed::$place)).await;
                }
            })+
        }
    };
    ($($name:ident),+ $(,)?) => {
        crate::support::backends!(@ memory $($name)+);
        crate::support::backends!(on disk: $($name),+);
    };
}
pub(crate) use backends;

/// Whether there is such a storage; without its server that is said.
pub(crate) fn is_there(place: &str) -> bool {
    match place {
        "postgres" => shared(Kind::Postgres).is_some(),
        "mysql" => shared(Kind::Mariadb).is_some(),
        _ => true,
    }
}

/// Everything that was given up.
pub(crate) async fn dead_letters(cluster: &Cluster) -> Vec<DeadLetter> {
    cluster.dead_letters().list().try_collect().await.expect("they can be read")
}

/// A test that hangs fails instead.
pub(crate) async fn watched<T>(body: impl Future<Output = T>) -> T {
    Clock::system().timeout(TEST_LIMIT, body).await.expect("the test hangs")
}
