//! What these tests share: a bed to start clusters on, a meter before the storage, entities, and a
//! probe through which entities tell what they do.

mod bed;
mod entities;
mod meter;
mod probe;

pub(crate) use bed::Bed;
pub(crate) use entities::{Counter, Desk, DeskRefuse, Other, Refusal};
pub(crate) use meter::Meter;
pub(crate) use probe::Probe;

use cluster::time::Clock;

/// How long a test may take before it counts as hanging.
const TEST_LIMIT: std::time::Duration = std::time::Duration::from_secs(40);

/// Runs each body on every storage: as `memory::name` and `sqlite::name`.
macro_rules! backends {
    ($($name:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                crate::support::watched(super::$name(crate::support::Bed::memory())).await;
            })+
        }
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                crate::support::watched(super::$name(crate::support::Bed::sqlite())).await;
            })+
        }
    };
}
pub(crate) use backends;

/// A test that hangs fails instead.
pub(crate) async fn watched<T>(body: impl Future<Output = T>) -> T {
    Clock::system().timeout(TEST_LIMIT, body).await.expect("the test hangs")
}
