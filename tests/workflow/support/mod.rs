//! What these tests share: a bed to start clusters on, a watch before the storage, and a probe
//! through which steps tell what they do.

mod bed;
#[path = "../../support/mysql.rs"]
mod mysql;
mod probe;
#[path = "../../support/victim.rs"]
#[allow(dead_code, reason = "shared with the other suites, which need more of it")]
mod victim;
mod watch;

pub(crate) use bed::{Bed, Folder};
pub(crate) use probe::Probe;
pub(crate) use victim::{Victim, be_victim, say};
pub(crate) use watch::{Side, Watch};

use cluster::time::Clock;
use cluster::{Cluster, DeadLetter};
use futures_util::TryStreamExt;

/// How long a test may take before it counts as hanging.
const TEST_LIMIT: std::time::Duration = std::time::Duration::from_secs(60);

/// Runs each body on every storage: as `memory::name`, `sqlite::name` and, where there is a server,
/// `mysql::name`.
macro_rules! backends {
    ($($name:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                crate::support::watched(super::$name(crate::support::Bed::memory)).await;
            })+
        }
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                crate::support::watched(super::$name(crate::support::Bed::sqlite)).await;
            })+
        }
        mod mysql {
            $(#[tokio::test]
            async fn $name() {
                if crate::support::is_mysql_there() {
                    crate::support::watched(super::$name(crate::support::Bed::mysql)).await;
                }
            })+
        }
    };
}
pub(crate) use backends;

/// Whether there is a MariaDB; without one that is said.
pub(crate) fn is_mysql_there() -> bool {
    test_servers::shared(test_servers::Kind::Mariadb).is_some()
}

/// Everything that was given up.
pub(crate) async fn dead_letters(cluster: &Cluster) -> Vec<DeadLetter> {
    cluster.dead_letters().list().try_collect().await.expect("they can be read")
}

/// A test that hangs fails instead.
pub(crate) async fn watched<T>(body: impl Future<Output = T>) -> T {
    Clock::system().timeout(TEST_LIMIT, body).await.expect("the test hangs")
}
