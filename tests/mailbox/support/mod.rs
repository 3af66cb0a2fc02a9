//! What the tests of mailboxes share: a bed to start clusters on, and witnesses that entities
//! carry.

use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

mod bed;
mod witness;

pub(crate) use bed::{Bed, settle};
pub(crate) use witness::{Gate, Life, Lives, Log, Tally};

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
pub(crate) async fn watched<T>(body: impl IntoFuture<Output = T>) -> T {
    let limit = Duration::from_secs(50);
    cluster::time::Clock::system().timeout(limit, body.into_future()).await.expect("the test hangs")
}

/// Polls a future once.
pub(crate) async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
}

/// Whether a future is still pending after everything that can run has run.
pub(crate) async fn is_waiting<F: Future + Unpin>(future: &mut F) -> bool {
    for _ in 0..50 {
        if poll_once(future).await.is_ready() {
            return false;
        }
        tokio::task::yield_now().await;
    }
    true
}
