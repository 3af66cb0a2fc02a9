//! Futures that never wait.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// The result of a future that never waits: what the in-process driver makes.
pub(super) fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => unreachable!("the in-process driver never waits"),
    }
}
