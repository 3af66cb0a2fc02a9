//! Who waits for the outcome of a request without running it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::error::ClusterError;
use crate::id::RequestId;
use crate::storage::StoredOutcome;

/// What a waiter is told.
pub(crate) type Told = Result<StoredOutcome, ClusterError>;

/// Callers that joined a running request, and receipts. Each waits for one request; a waiter that
/// went away is dropped when its request ends.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    /// The number of requests waited for: almost always zero, which spares the lock.
    count: AtomicUsize,
    waiting: Mutex<HashMap<RequestId, Vec<oneshot::Sender<Told>>>>,
    /// The cluster has ended: nobody will be told any more. Changed under the lock.
    closed: AtomicBool,
}

impl Waiters {
    /// Waits for a request's outcome. Register first, then look whether it is there already.
    pub(crate) fn wait(&self, request: RequestId) -> oneshot::Receiver<Told> {
        let (tell, told) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        if self.closed.load(Ordering::SeqCst) {
            let _ = tell.send(Err(ClusterError::ShuttingDown));
            return told;
        }
        let list = waiting.entry(request).or_default();
        list.retain(|waiter| !waiter.is_closed());
        list.push(tell);
        self.count.store(waiting.len(), Ordering::SeqCst);
        told
    }

    /// Tells all who wait for the request. A request that nobody waits for costs one atomic read.
    pub(crate) fn tell(&self, request: RequestId, told: impl Fn() -> Told) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let list = {
            let mut waiting = self.waiting.lock();
            let list = waiting.remove(&request);
            self.count.store(waiting.len(), Ordering::SeqCst);
            list
        };
        for waiter in list.into_iter().flatten() {
            // One that went away needs no answer.
            let _ = waiter.send(told());
        }
    }

    /// Forgets waiters that went away.
    pub(crate) fn sweep(&self) {
        let mut waiting = self.waiting.lock();
        waiting.retain(|_, list| {
            list.retain(|waiter| !waiter.is_closed());
            !list.is_empty()
        });
        self.count.store(waiting.len(), Ordering::SeqCst);
    }

    /// Tells everybody that the cluster ends.
    pub(crate) fn close(&self) {
        let waiting = {
            let mut waiting = self.waiting.lock();
            self.closed.store(true, Ordering::SeqCst);
            std::mem::take(&mut *waiting)
        };
        self.count.store(0, Ordering::SeqCst);
        for waiter in waiting.into_values().flatten() {
            let _ = waiter.send(Err(ClusterError::ShuttingDown));
        }
    }
}
