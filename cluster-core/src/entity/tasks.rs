//! The tasks of a runner: each has this one owner, which waits for them and ends them.

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Spawns tasks on the runtime that the cluster was started on.
#[derive(Debug)]
pub(crate) struct Tasks {
    runtime: Handle,
    /// Handlers, activations, deliveries: a drain waits for these.
    work: TaskTracker,
    /// Loops that run until the end.
    loops: TaskTracker,
    /// Ends handlers that outlive the drain limit.
    abort: CancellationToken,
    /// Ends the loops.
    stop: CancellationToken,
}

impl Tasks {
    pub(crate) fn new(runtime: Handle) -> Self {
        Tasks {
            runtime,
            work: TaskTracker::new(),
            loops: TaskTracker::new(),
            abort: CancellationToken::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Runs work that a drain waits for. It is dropped where it stands when the drain's limit is over.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let abort = self.abort.clone();
        let guarded = async move {
            abort.run_until_cancelled_owned(work).await;
        };
        self.work.spawn_on(guarded, &self.runtime);
    }

    /// Runs a loop until [`Tasks::end`].
    pub(crate) fn spawn_loop(&self, body: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        let guarded = async move {
            stop.run_until_cancelled_owned(body).await;
        };
        self.loops.spawn_on(guarded, &self.runtime);
    }

    /// Runs a loop that ends by itself once told to; [`Tasks::end`] waits for it.
    pub(crate) fn spawn_to_end(&self, body: impl Future<Output = ()> + Send + 'static) {
        self.loops.spawn_on(body, &self.runtime);
    }

    /// Waits until no work is left. Cancel safe.
    pub(crate) async fn drained(&self) {
        self.work.close();
        self.work.wait().await;
        self.work.reopen();
    }

    /// Drops the work that is left.
    pub(crate) fn abort_work(&self) {
        self.abort.cancel();
    }

    /// Ends the loops and waits for them.
    pub(crate) async fn end(&self) {
        self.stop.cancel();
        self.loops.close();
        self.loops.wait().await;
    }

    /// Ends everything without waiting.
    pub(crate) fn end_now(&self) {
        self.abort.cancel();
        self.stop.cancel();
    }
}
