//! What the tests of durability share: a bed to start clusters on, a door before the storage, and
//! entities that tell what they do.

use cluster::{Cluster, ClusterBuilder};

mod bed;
mod door;
mod entities;
mod probe;

pub(crate) use bed::{Bed, Folder, settle};
pub(crate) use door::{Door, Side, refused, unknown};
pub(crate) use entities::{
    Counter, CounterAdd, Desk, DeskClient, DeskFile, DeskFileWithCopy, Refusal,
};
pub(crate) use probe::Probe;

/// Runs each body on every storage: as `memory::name` and `sqlite::name`.
macro_rules! backends {
    ($($name:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                let bed = crate::support::Bed::memory();
                crate::support::watched(super::$name(bed)).await;
            })+
        }
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                let bed = crate::support::Bed::sqlite();
                crate::support::watched(super::$name(bed)).await;
            })+
        }
    };
}
pub(crate) use backends;

/// Runs each body on SQLite alone: what memory does not offer.
macro_rules! on_sqlite {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                let bed = crate::support::Bed::sqlite();
                crate::support::watched(super::$name(bed)).await;
            })+
        }
    };
}
pub(crate) use on_sqlite;

/// A cluster that hosts counters, and desks with this probe.
pub(crate) async fn start(bed: &Bed, probe: &Probe) -> Cluster {
    start_with(bed, probe, |builder| builder).await
}

/// The same with more settings.
pub(crate) async fn start_with(
    bed: &Bed,
    probe: &Probe,
    configure: impl FnOnce(ClusterBuilder) -> ClusterBuilder,
) -> Cluster {
    let probe = probe.clone();
    let hosted = |builder: ClusterBuilder| {
        builder.entity::<Counter>().entity_with::<Desk>(move |_| Desk::new(&probe))
    };
    bed.start(|builder| configure(hosted(builder))).await
}

/// A test that hangs fails instead.
pub(crate) async fn watched<T>(body: impl Future<Output = T>) -> T {
    let limit = std::time::Duration::from_secs(20);
    cluster::time::Clock::system().timeout(limit, body).await.expect("the test hangs")
}

/// Whether a future is still pending after everything that can run has run.
pub(crate) async fn is_waiting<F: Future + Unpin>(future: &mut F) -> bool {
    for _ in 0..50 {
        let polled = std::future::poll_fn(|cx| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_ready())
        });
        if polled.await {
            return false;
        }
        tokio::task::yield_now().await;
    }
    true
}
