//! Running executions of workflows, and what reaches them from outside.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};

use hashbrown::{HashMap, HashSet};
use parking_lot::Mutex;

use super::executions::ExecutionCount;
use crate::id::Seq;
use crate::storage::DeferredRow;
use crate::time::Sleep;

/// The bells of all running executions. Bounded by the entities in memory.
#[derive(Default)]
pub(crate) struct Bells {
    hung: Mutex<HashMap<Seq, Arc<Bell>>>,
    /// Fingerprints of shapes that were stored while the runner ran: one for each type that a
    /// deferred was completed with.
    pub(crate) shapes: Mutex<HashSet<u64>>,
}

/// What rings when something has come for an execution.
#[derive(Default)]
pub(crate) struct Bell {
    came: Mutex<Vec<DeferredRow>>,
    waker: Mutex<Option<Waker>>,
    /// It waits for time or for somebody: nothing of it runs.
    waits: AtomicBool,
    counted: Option<Arc<ExecutionCount>>,
}

/// An execution's hold on its bell; taken down when the run ends, in whatever way.
pub(crate) struct Hung {
    bells: Arc<Bells>,
    execution: Seq,
    bell: Arc<Bell>,
}

impl Bells {
    /// Hangs the bell of an execution. Hang it first, then load what is stored: what comes in
    /// between is seen twice, never missed.
    pub(crate) fn hang(
        self: &Arc<Self>,
        execution: Seq,
        counted: Option<Arc<ExecutionCount>>,
    ) -> Hung {
        counted.iter().for_each(|count| count.came());
        let bell = Arc::new(Bell { counted, ..Bell::default() });
        self.hung.lock().insert(execution, bell.clone());
        Hung { bells: self.clone(), execution, bell }
    }

    /// Tells a running execution of a completion that is stored.
    pub(crate) fn ring(&self, row: DeferredRow) {
        let bell = self.hung.lock().get(&row.deferred.execution).cloned();
        if let Some(bell) = bell {
            bell.came.lock().push(row);
            bell.wake();
        }
    }

    /// Wakes all: the runner begins to drain.
    pub(crate) fn ring_all(&self) {
        let all: Vec<Arc<Bell>> = self.hung.lock().values().cloned().collect();
        all.iter().for_each(|bell| bell.wake());
    }

    /// Whether the execution is in memory and waits; `None` when it is not there.
    pub(crate) fn waits(&self, execution: Seq) -> Option<bool> {
        self.hung.lock().get(&execution).map(|bell| bell.waits.load(Ordering::Relaxed))
    }
}

impl fmt::Debug for Bells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bells({})", self.hung.lock().len())
    }
}

impl Bell {
    /// Wakes whoever listens.
    pub(crate) fn wake(&self) {
        let waker = self.waker.lock().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Listens from now on. Listen first, then look at what has come.
    pub(crate) fn listen(&self, waker: &Waker) {
        let mut listening = self.waker.lock();
        if !listening.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *listening = Some(waker.clone());
        }
    }

    /// Waits for the end of a sleep, or until somebody wakes the task. Cancel safe.
    pub(crate) async fn rung_or(&self, sleep: Sleep) {
        let mut sleep = sleep;
        let mut rung = false;
        poll_fn(|cx| {
            self.listen(cx.waker());
            let over = Pin::new(&mut sleep).poll(cx).is_ready();
            if over || std::mem::replace(&mut rung, true) {
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }

    /// Takes what has come.
    pub(crate) fn take(&self) -> Vec<DeferredRow> {
        std::mem::take(&mut *self.came.lock())
    }

    pub(crate) fn set_waits(&self, waits: bool) {
        if self.waits.swap(waits, Ordering::Relaxed) != waits {
            self.counted.iter().for_each(|count| count.moved(waits));
        }
    }
}

impl Hung {
    pub(crate) fn bell(&self) -> &Arc<Bell> {
        &self.bell
    }
}

impl Drop for Hung {
    fn drop(&mut self) {
        let waited = self.bell.waits.load(Ordering::Relaxed);
        self.bell.counted.iter().for_each(|count| count.left(waited));
        let mut hung = self.bells.hung.lock();
        if hung.get(&self.execution).is_some_and(|bell| Arc::ptr_eq(bell, &self.bell)) {
            hung.remove(&self.execution);
        }
    }
}
