//! The connections to a server.

use std::sync::Arc;
use std::time::Duration;

use cluster_core::storage::StorageError;
use cluster_core::time::{Clock, Moment};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::{TimedOut, has_timed_out, is_transient, leaves_connection};
use crate::dialect::Dialect;

/// A server, and how it is connected to.
pub(crate) trait Server: Send + Sync + 'static {
    /// Its language.
    type Dialect: Dialect;
    /// A connection, and what is known about it.
    type Session: Send + 'static;

    /// Makes a connection.
    fn connect(
        &self,
        purpose: Purpose,
    ) -> impl Future<Output = Result<Self::Session, StorageError>> + Send;
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The storage's statements alone.
    Storage,
    /// Users' own transactions.
    Users,
}

/// Connections that nobody uses.
struct Idle<T> {
    /// With when each was made; the one used last at the end.
    sessions: Vec<(T, Moment)>,
    /// When all were last replaced: none that was made before is used again.
    replaced: Option<Moment>,
}

/// A bounded number of connections, made when they are needed and kept. What is not given back
/// in a known state is closed, and the server ends what it was about.
pub(crate) struct Connections<S: Server> {
    server: Arc<S>,
    purpose: Purpose,
    connect_timeout: Duration,
    /// Of the machine: servers are waited for in real time.
    clock: Clock,
    permits: Arc<Semaphore>,
    idle: Mutex<Idle<S::Session>>,
    /// When the server was last made to plan its statements anew.
    replanned: Mutex<Moment>,
}

impl<S: Server> Connections<S> {
    pub(super) fn new(
        server: Arc<S>,
        purpose: Purpose,
        connect_timeout: Duration,
        many: usize,
    ) -> Arc<Self> {
        let clock = Clock::system();
        Arc::new(Connections {
            server,
            purpose,
            connect_timeout,
            replanned: Mutex::new(clock.now()),
            idle: Mutex::new(Idle { sessions: Vec::new(), replaced: None }),
            clock,
            permits: Arc::new(Semaphore::new(many)),
        })
    }

    /// A connection for one transaction. Fair: whoever came first gets it first.
    ///
    /// # Errors
    /// `Unavailable` when none can be had in time.
    pub(crate) async fn lease(self: &Arc<Self>) -> Result<Lease<S>, StorageError> {
        let timed_out = |_| StorageError::unavailable(TimedOut(self.connect_timeout));
        let permit = self.permits.clone().acquire_owned();
        let permit = self.clock.timeout(self.connect_timeout, permit).await.map_err(timed_out)?;
        self.lease_with(permit.expect("never closed")).await
    }

    /// The same, for as long as it takes until one is free: those who have one have a limit.
    ///
    /// # Errors
    /// `Unavailable` when none can be made in time.
    pub(crate) async fn lease_when_free(self: &Arc<Self>) -> Result<Lease<S>, StorageError> {
        let permit = self.permits.clone().acquire_owned().await;
        self.lease_with(permit.expect("never closed")).await
    }

    async fn lease_with(
        self: &Arc<Self>,
        permit: OwnedSemaphorePermit,
    ) -> Result<Lease<S>, StorageError> {
        let timed_out = |_| StorageError::unavailable(TimedOut(self.connect_timeout));
        let idle = self.idle.lock().sessions.pop();
        let (session, made) = match idle {
            Some(idle) => idle,
            None => {
                let made = self.clock.now();
                let session = self.server.connect(self.purpose);
                let session = self.clock.timeout(self.connect_timeout, session).await;
                (session.map_err(timed_out)??, made)
            }
        };
        Ok(Lease { session, made, since: self.clock.now(), home: self.clone(), _permit: permit })
    }

    /// Closes those that nobody uses: one was lost, so they may be as well.
    pub(crate) fn forget_idle(&self) {
        self.idle.lock().sessions.clear();
    }

    /// Replaces all connections: what one keeps did harm, and others may keep the same.
    fn replace_all(&self) {
        let now = self.clock.now();
        let mut idle = self.idle.lock();
        if idle.replaced.is_none_or(|last| now - last >= ALL_REPLACED_EVERY) {
            idle.replaced = Some(now);
            idle.sessions.clear();
        }
    }

    /// Whether a connection that was in use so long is to be replaced. A server that keeps its plan
    /// of a prepared statement does so until it has counted the rows of its tables again: one that
    /// was made for a table that was empty then may read all of what has come since.
    fn is_to_plan_anew(&self, since: Moment) -> bool {
        let now = self.clock.now();
        if !S::Dialect::KEEPS_PLANS || now - since < SLOW {
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
pub(crate) struct Lease<S: Server> {
    pub(crate) session: S::Session,
    made: Moment,
    /// In use.
    since: Moment,
    home: Arc<Connections<S>>,
    _permit: OwnedSemaphorePermit,
}

impl<S: Server> Lease<S> {
    /// Gives it back: no transaction is open on it, and no answer is on its way.
    pub(crate) fn keep(self) {
        if self.home.is_to_plan_anew(self.since) {
            self.home.forget_idle();
        } else {
            let mut idle = self.home.idle.lock();
            if idle.replaced.is_none_or(|last| self.made >= last) {
                idle.sessions.push((self.session, self.made));
            }
        }
    }

    /// Closes it, for what it keeps may be why its user has failed: a statement whose table has
    /// changed since, or that is not there any more.
    pub(crate) fn failed(self) {
        self.home.replace_all();
    }

    /// Gives up on it, and on those that nobody uses.
    pub(crate) fn lost(self) {
        self.home.forget_idle();
    }
}

/// What takes as long as this may have a bad plan.
const SLOW: Duration = Duration::from_millis(500);
/// Connections are replaced for that at most so often: the server may just be slow.
const REPLANNED_EVERY: Duration = Duration::from_secs(10);

/// All connections are replaced after a failure at most so often: most are no connection's fault.
const ALL_REPLACED_EVERY: Duration = Duration::from_secs(1);

/// How often a transaction is made that others come in the way of, and a read whose connection was
/// lost.
const ATTEMPTS_MAX: u32 = 5;

/// How long a transaction gives way before its third attempt, so that those in its way can end;
/// four times as long before each further one. The second attempt is made at once.
const FIRST_PAUSE: Duration = Duration::from_millis(2);

/// Attempts at the same work.
#[derive(Default)]
pub(crate) struct Attempts(u32);

impl Attempts {
    /// How long to give way before the next one; `None` is not at all.
    pub(crate) fn pause(&self) -> Option<Duration> {
        Some(FIRST_PAUSE * 4_u32.pow(self.0.checked_sub(2)?))
    }

    /// What came of a read; `None` to try again. Who has waited for an answer does not wait anew.
    pub(crate) fn of_read<S: Server, T>(
        &mut self,
        lease: Lease<S>,
        done: Result<T, StorageError>,
    ) -> Option<Result<T, StorageError>> {
        match done {
            Err(error) if !leaves_connection(&error) => {
                lease.lost();
                (!self.another_after(&error)).then_some(Err(error))
            }
            done => {
                lease.keep();
                Some(done)
            }
        }
    }

    /// Whether to try on another connection, as the server has ended this one.
    pub(crate) fn another_after(&mut self, error: &StorageError) -> bool {
        self.0 += 1;
        self.0 < ATTEMPTS_MAX && !leaves_connection(error) && !has_timed_out(error)
    }

    /// What came of a write; `None` to try again.
    pub(crate) fn of_write<S: Server, T>(
        &mut self,
        lease: Lease<S>,
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
