//! What the clones of a storage share, and how long they wait.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cluster_core::storage::StorageError;
use cluster_core::time::Clock;

use super::connections::{Connections, Purpose, Server};
use super::error::TimedOut;
use super::marks::Marks;
use super::session::Answers;
use super::settings::Settings;

/// How long a connection may take to be given back, while its entity waits for that: a server that
/// takes longer waits for somebody else, or has much to undo.
const GIVEN_BACK_WITHIN: Duration = Duration::from_secs(1);

/// What the clones of a storage share.
pub(crate) struct Inner<S: Server> {
    pub(crate) writers: Arc<Connections<S>>,
    pub(crate) readers: Arc<Connections<S>>,
    /// Those of users' own transactions.
    pub(crate) own: Arc<Connections<S>>,
    pub(crate) marks: Marks,
    pub(crate) server: Arc<S>,
    pub(crate) settings: Settings,
    /// Of the machine: servers are waited for in real time.
    machine_clock: Clock,
}

impl<S: Server> Inner<S> {
    /// Nothing is connected yet.
    pub(crate) fn new(server: S, settings: Settings) -> Self {
        let server = Arc::new(server);
        let timeout = settings.connect_timeout;
        let connections = |many, purpose| Connections::new(server.clone(), purpose, timeout, many);
        Inner {
            writers: connections(settings.writing(), Purpose::Storage),
            readers: connections(settings.reading(), Purpose::Storage),
            own: connections(settings.own(), Purpose::Users),
            marks: Marks::default(),
            server,
            settings,
            machine_clock: Clock::system(),
        }
    }

    /// Closes the connections that nobody uses.
    pub(crate) fn forget_idle(&self) {
        for connections in [&self.writers, &self.readers, &self.own] {
            connections.forget_idle();
        }
    }

    /// Waits for the server as long as the settings say, and so long again while its answers come:
    /// none of them takes twice that.
    pub(crate) async fn within<F: Future>(
        &self,
        answers: Answers,
        work: F,
    ) -> Result<F::Output, StorageError> {
        let limit = self.settings.answer_timeout;
        let mut work = pin!(work);
        loop {
            let before = answers.number();
            match self.machine_clock.timeout(limit, work.as_mut()).await {
                Ok(done) => return Ok(done),
                Err(_) if answers.number() != before => {}
                Err(_) => return Err(StorageError::unavailable(TimedOut(limit))),
            }
        }
    }

    /// Waits for a connection to be given back; `None` when it does not answer soon.
    pub(crate) async fn soon<F: Future>(&self, given_back: F) -> Option<F::Output> {
        self.machine_clock.timeout(GIVEN_BACK_WITHIN, given_back).await.ok()
    }

    /// Waits before what is tried again.
    pub(crate) async fn give_way(&self, pause: Option<Duration>) {
        if let Some(pause) = pause {
            self.machine_clock.sleep(pause).await;
        }
    }

    /// As [`Inner::within`], for what commits.
    pub(crate) async fn within_or_unknown<T>(
        &self,
        answers: Answers,
        work: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        self.within(answers, work).await.unwrap_or_else(|error| match error {
            StorageError::Unavailable { source } => Err(StorageError::UnknownOutcome { source }),
            error => Err(error),
        })
    }
}
