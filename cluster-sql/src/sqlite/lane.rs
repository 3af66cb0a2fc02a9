//! A connection on a thread of its own, and the queue of work for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, JoinHandle, Thread};

use cluster_core::storage::StorageError;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::error::Closed;
use super::session::Session;
use crate::sql::Texts;

/// How many calls may wait for a connection; more wait to be let in.
const JOBS_MAX: usize = 256;

/// Work for a connection, or for the news that there is none.
type Job = Box<dyn FnOnce(Result<&mut Session<'_>, StorageError>) + Send>;

/// Work that a thread does when it has answered a job.
type AfterJob = fn(&Connection);

/// A connection on its own thread. Dropping it waits for the job in work and ends the thread; jobs
/// whose callers are gone are not begun.
pub(super) struct Lane {
    /// `None` only while dropping.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    /// What a caller is told when its job was lost: it panicked, or the thread died under it.
    lost: fn(Closed) -> StorageError,
}

/// How a lane gets its connection, what its thread is called, what its losses mean.
pub(super) struct LaneSetup<O> {
    pub(super) name: String,
    /// Opens the connection; again after a failure that left the earlier one in doubt.
    pub(super) open: O,
    pub(super) after_job: AfterJob,
    pub(super) lost: fn(Closed) -> StorageError,
}

impl Lane {
    /// Starts the thread and opens the connection on it.
    pub(super) async fn start<O>(
        setup: LaneSetup<O>,
        texts: Arc<Texts>,
    ) -> Result<Self, StorageError>
    where
        O: Fn() -> Result<Connection, StorageError> + Send + 'static,
    {
        let LaneSetup { name, open, after_job, lost } = setup;
        let (jobs, queue) = mpsc::channel(JOBS_MAX);
        let (opened, open_result) = oneshot::channel();
        let serve = move || match open() {
            Ok(connection) => {
                if opened.send(Ok(())).is_ok() {
                    serve(connection, &open, &texts, after_job, queue);
                }
            }
            Err(error) => _ = opened.send(Err(error)),
        };
        let thread = thread::Builder::new().name(name).spawn(serve);
        let thread = Some(thread.map_err(StorageError::unavailable)?);
        let lane = Lane { jobs: Some(jobs), thread, lost };
        open_result.await.map_err(|_| StorageError::unavailable(Closed))??;
        Ok(lane)
    }

    /// Runs a job. When the caller goes away before it begins it is not done; once begun it is done
    /// to its end.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Session<'_>) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let (answer, result) = oneshot::channel();
        let job: Job = Box::new(move |session| {
            if !answer.is_closed() {
                // The caller may go away meanwhile.
                let _ = answer.send(session.and_then(work));
            }
        });
        let jobs = self.jobs.as_ref().expect("the lane is there until dropped");
        jobs.send(job).await.map_err(|_| StorageError::unavailable(Closed))?;
        result.await.unwrap_or_else(|_| Err((self.lost)(Closed)))
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It only panics where a connection is opened; its callers were told.
            let _ = thread.join();
        }
    }
}

/// The life of a lane's thread: ends when the lane is dropped.
fn serve(
    first: Connection,
    open: &impl Fn() -> Result<Connection, StorageError>,
    texts: &Arc<Texts>,
    after_job: AfterJob,
    mut queue: mpsc::Receiver<Job>,
) {
    let mut connection = Ok(first);
    loop {
        match connection {
            Ok(live) => {
                let mut session = Session::new(&live, texts.clone());
                while !session.is_broken() {
                    let Some(job) = queue.blocking_recv() else { return };
                    let work = AssertUnwindSafe(|| {
                        job(Ok(&mut session));
                        after_job(&live);
                    });
                    // Whoever waited for the job is told by the loss of it.
                    if catch_unwind(work).is_err() {
                        tracing::error!("a job of the storage panicked");
                        break;
                    }
                }
                tracing::warn!("replacing a database connection that is in doubt");
            }
            Err(error) => match queue.blocking_recv() {
                Some(job) => job(Err(error)),
                None => return,
            },
        }
        connection = open();
    }
}

/// Waits for a future on a thread that has no runtime.
pub(super) fn wait_for<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(done) => return done,
            Poll::Pending => thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dialect::SqliteDialect;
    use super::*;

    /// A lane on a database in memory, and what keeps that while the lane has no connection.
    async fn lane(database: &str) -> (Lane, Connection) {
        let path = format!("file:{database}?mode=memory&cache=shared");
        let keeper = Connection::open(&path).unwrap();
        keeper.execute_batch("CREATE TABLE done (name TEXT)").unwrap();
        let setup = LaneSetup {
            name: "lane".to_owned(),
            open: move || Connection::open(&path).map_err(StorageError::unavailable),
            after_job: |_| {},
            lost: StorageError::unknown_outcome,
        };
        (Lane::start(setup, Arc::new(Texts::new::<SqliteDialect>(""))).await.unwrap(), keeper)
    }

    /// Something in a transaction; says how many there are then.
    fn count(session: &mut Session<'_>) -> Result<i64, StorageError> {
        let connection = session.connection();
        connection.execute_batch("INSERT INTO done VALUES ('a')").unwrap();
        let count = connection.query_row("SELECT count(*) FROM done", [], |row| row.get(0));
        count.map_err(StorageError::unavailable)
    }

    /// Nothing of the transaction is written, its caller is told so, and others are served.
    #[tokio::test]
    async fn a_panic_in_a_transaction_ends_only_that() {
        let (lane, _keeper) = lane("transaction").await;
        for expected in 1..4 {
            let lost: Result<(), _> = lane
                .run(|session| {
                    session.write(|session| {
                        count(session)?;
                        panic!("in a transaction")
                    })
                })
                .await;
            assert!(matches!(lost, Err(StorageError::Unavailable { .. })), "{lost:?}");
            let read: Result<(), _> =
                lane.run(|session| session.read(|_| panic!("in a snapshot"))).await;
            assert!(matches!(read, Err(StorageError::Unavailable { .. })), "{read:?}");
            assert_eq!(lane.run(|session| session.write(count)).await.unwrap(), expected);
        }
    }

    /// Whether anything was done, nobody knows; the next one finds a new connection.
    #[tokio::test]
    async fn a_panic_anywhere_else_ends_only_its_job() {
        let (lane, _keeper) = lane("anywhere").await;
        let lost: Result<(), _> = lane
            .run(|session| {
                session.connection().execute_batch("BEGIN").unwrap();
                count(session)?;
                panic!("outside of what the session knows")
            })
            .await;
        assert!(matches!(lost, Err(StorageError::UnknownOutcome { .. })), "{lost:?}");
        assert_eq!(lane.run(|session| session.write(count)).await.unwrap(), 1);
    }
}
