//! Who waits for the outcome of a request without running it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::context::Context;
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
    waiting: Mutex<HashMap<RequestId, Entry>>,
    /// The cluster has ended: nobody will be told any more. Changed under the lock.
    closed: AtomicBool,
}

/// Who waits for one request.
#[derive(Debug, Default)]
struct Entry {
    told: Vec<oneshot::Sender<Told>>,
    /// The handler that does, if one does: the request is part of its chain though it came to its
    /// entity by way of the storage.
    caller: Option<Context>,
}

impl Waiters {
    /// Waits for a request's outcome, as a handler or not. Register first, then look whether it is
    /// there already.
    pub(crate) fn wait(
        &self,
        request: RequestId,
        caller: Option<Context>,
    ) -> oneshot::Receiver<Told> {
        let (tell, told) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        if self.closed.load(Ordering::SeqCst) {
            let _ = tell.send(Err(ClusterError::ShuttingDown));
            return told;
        }
        let entry = waiting.entry(request).or_default();
        entry.told.retain(|waiter| !waiter.is_closed());
        entry.told.push(tell);
        if caller.is_some() {
            entry.caller = caller;
        }
        self.count.store(waiting.len(), Ordering::SeqCst);
        told
    }

    /// Tells all who wait for the request. A request that nobody waits for costs one atomic read.
    pub(crate) fn tell(&self, request: RequestId, told: impl Fn() -> Told) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let entry = {
            let mut waiting = self.waiting.lock();
            let entry = waiting.remove(&request);
            self.count.store(waiting.len(), Ordering::SeqCst);
            entry
        };
        for waiter in entry.into_iter().flat_map(|entry| entry.told) {
            // One that went away needs no answer.
            let _ = waiter.send(told());
        }
    }

    /// Forgets waiters that went away.
    pub(crate) fn sweep(&self) {
        let gone: Vec<Entry> = {
            let mut waiting = self.waiting.lock();
            let gone = waiting.extract_if(|_, entry| {
                entry.told.retain(|waiter| !waiter.is_closed());
                entry.told.is_empty()
            });
            let gone = gone.map(|(_, entry)| entry).collect();
            self.count.store(waiting.len(), Ordering::SeqCst);
            gone
        };
        // Not under the lock: a caller's handler may be the last thing that its context holds.
        drop(gone);
    }

    /// The handler that waits for the request, if one does. Costs one atomic read when nobody waits
    /// for anything.
    pub(super) fn caller(&self, request: RequestId) -> Option<Context> {
        if self.count.load(Ordering::SeqCst) == 0 {
            return None;
        }
        self.waiting.lock().get(&request).and_then(|entry| entry.caller.clone())
    }

    /// Tells everybody that the cluster ends.
    pub(crate) fn close(&self) {
        let waiting = {
            let mut waiting = self.waiting.lock();
            self.closed.store(true, Ordering::SeqCst);
            std::mem::take(&mut *waiting)
        };
        self.count.store(0, Ordering::SeqCst);
        for waiter in waiting.into_values().flat_map(|entry| entry.told) {
            let _ = waiter.send(Err(ClusterError::ShuttingDown));
        }
    }
}
