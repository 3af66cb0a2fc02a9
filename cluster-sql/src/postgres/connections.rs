//! The connections to the server.

use std::sync::Arc;
use std::time::Duration;

use cluster_core::storage::StorageError;
use cluster_core::time::{Clock, Moment};
use parking_lot::Mutex;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::commit::Care;
use super::error::{TimedOut, is_transient, leaves_connection, sure};
use super::session::Session;
use super::texts::AllTexts;

/// A bounded number of connections, made when they are needed and kept. What is not given back
/// in a known state is closed, and the server ends what it was about.
pub(super) struct Connections {
    options: PgConnectOptions,
    connect_timeout: Duration,
    /// Of the machine: servers are waited for in real time.
    clock: Clock,
    texts: Arc<AllTexts>,
    prepared: bool,
    care: Arc<Care>,
    permits: Arc<Semaphore>,
    /// Those that nobody uses, the one used last at the end.
    idle: Mutex<Vec<PgConnection>>,
    /// When the server was last made to plan its statements anew.
    replanned: Mutex<Moment>,
}

impl Connections {
    pub(super) fn new(
        options: PgConnectOptions,
        connect_timeout: Duration,
        texts: Arc<AllTexts>,
        prepared: bool,
        many: usize,
    ) -> Arc<Self> {
        let clock = Clock::system();
        Arc::new(Connections {
            options,
            connect_timeout,
            replanned: Mutex::new(clock.now()),
            clock,
            texts,
            prepared,
            care: Arc::default(),
            permits: Arc::new(Semaphore::new(many)),
            idle: Mutex::default(),
        })
    }

    /// A connection for one transaction. Fair: whoever came first gets it first.
    ///
    /// # Errors
    /// `Unavailable` when none can be had in time.
    pub(super) async fn lease(self: &Arc<Self>) -> Result<Lease, StorageError> {
        let timed_out = |_| StorageError::unavailable(TimedOut(self.connect_timeout));
        let permit = self.permits.clone().acquire_owned();
        let permit = self.clock.timeout(self.connect_timeout, permit).await.map_err(timed_out)?;
        let permit = permit.expect("never closed");
        let idle = self.idle.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => {
                let connect = self.options.connect();
                let made = self.clock.timeout(self.connect_timeout, connect).await;
                made.map_err(timed_out)?.map_err(sure)?
            }
        };
        let (texts, prepared, care) = (self.texts.clone(), self.prepared, self.care.clone());
        let session = Session { connection, texts, prepared, care };
        Ok(Lease { session, since: self.clock.now(), home: self.clone(), _permit: permit })
    }

    /// Closes those that nobody uses: one was lost, so they may be as well.
    pub(super) fn forget_idle(&self) {
        self.idle.lock().clear();
    }

    /// Whether a connection that was in use so long is to be replaced. A server keeps its plan of a
    /// prepared statement until it has counted the rows of its tables again: one that was made
    /// for a table that was empty then may read all of what has come since.
    fn is_to_plan_anew(&self, since: Moment) -> bool {
        let now = self.clock.now();
        if now - since < SLOW {
            return false;
        }
        let mut replanned = self.replanned.lock();
        let due = now - *replanned >= REPLANNED_EVERY;
        if due {
            *replanned = now;
        }
        due
    }
}

/// A connection in use. Dropped without [`Lease::keep`] it is closed.
pub(super) struct Lease {
    pub(super) session: Session,
    since: Moment,
    home: Arc<Connections>,
    _permit: OwnedSemaphorePermit,
}

impl Lease {
    /// Gives it back: no transaction is open on it, and no answer is on its way.
    pub(super) fn keep(self) {
        if self.home.is_to_plan_anew(self.since) {
            self.home.forget_idle();
        } else {
            self.home.idle.lock().push(self.session.connection);
        }
    }

    /// Gives up on it, and on those that nobody uses.
    pub(super) fn lost(self) {
        self.home.forget_idle();
    }
}

/// What takes as long as this may have a bad plan.
const SLOW: Duration = Duration::from_millis(500);
/// Connections are replaced for that at most so often: the server may just be slow.
const REPLANNED_EVERY: Duration = Duration::from_secs(10);

/// How often a transaction is made that others come in the way of, and a read whose connection was
/// lost.
const ATTEMPTS_MAX: u32 = 5;

/// Attempts at the same work.
#[derive(Default)]
pub(super) struct Attempts(u32);

impl Attempts {
    /// What came of a read; `None` to try again.
    pub(super) fn of_read<T>(
        &mut self,
        lease: Lease,
        done: Result<T, StorageError>,
    ) -> Option<Result<T, StorageError>> {
        self.0 += 1;
        match done {
            Err(error) if !leaves_connection(&error) => {
                lease.lost();
                (self.0 == ATTEMPTS_MAX).then_some(Err(error))
            }
            done => {
                lease.keep();
                Some(done)
            }
        }
    }

    /// What came of a write; `None` to try again.
    pub(super) fn of_write<T>(
        &mut self,
        lease: Lease,
        done: Result<T, StorageError>,
    ) -> Option<Result<T, StorageError>> {
        self.0 += 1;
        match &done {
            Err(error) if !leaves_connection(error) => lease.lost(),
            _ => lease.keep(),
        }
        match &done {
            Err(error) if is_transient(error) && self.0 < ATTEMPTS_MAX => None,
            _ => Some(done),
        }
    }
}
