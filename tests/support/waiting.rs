//! Ways of waiting that never hang and never sleep.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use cluster::time::Clock;

/// What takes longer hangs; far more than any test needs on a busy machine.
pub(crate) const HANG: Duration = Duration::from_secs(180);

/// Waits for what must not hang.
pub(crate) async fn soon<F: IntoFuture>(future: F) -> F::Output {
    Clock::system().timeout(HANG, future.into_future()).await.expect("nothing hangs")
}

/// Waits until something is so that nobody announces: gives way to everybody else, and looks again.
pub(crate) async fn until(is_so: impl Fn() -> bool) {
    soon(async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Lets everything run that can.
pub(crate) async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Polls once, as a caller that then turns to something else.
pub(crate) async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
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
