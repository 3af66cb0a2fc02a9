//! Ending what lost connections and earlier incarnations have left open on the server, which keeps
//! the transactions of a client, and the rows locked in them, until it hears of its end: if that
//! lost its power or its network, for hours.
//!
//! Once its storage has joined, each connection is written down before it is used: by its number,
//! which is nobody else's until the server is started again, and with the time of that start. Those
//! that this process has lost are ended when it makes the next one, those of earlier incarnations
//! by who takes over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cluster_core::storage::StorageError;
use parking_lot::Mutex;

use super::error::sure;
use super::session::Session;
use crate::server::ServerSession;
use crate::sql::with_prefix;
use crate::value::Columns;

/// When the server was started, in seconds since 1970.
const STARTED: &str = "SELECT CAST(UNIX_TIMESTAMP() - VARIABLE_VALUE AS SIGNED) FROM {status} \
    WHERE VARIABLE_NAME = 'Uptime'";
// What is written here is committed by the statements, for nothing commits by itself on the
// connections of handlers.
const RECORD: &str = "REPLACE INTO {p}writer (number, started, name) \
    VALUES ({number}, {started}, '{name}'); COMMIT";
const OTHERS: &str = "SELECT number, started FROM {p}writer WHERE name <> '{name}'";
const FORGET_OTHERS: &str = "DELETE FROM {p}writer WHERE name <> '{name}'; COMMIT";
const FORGET: &str =
    "DELETE FROM {p}writer WHERE number = {number} AND started = {started}; COMMIT";

/// What two readings of the same start may differ by, in seconds: the clock is set now and then.
/// Where it is set by more, nothing is ended; the server's own limits remain.
const SAME_START: u64 = 5;

/// A connection as the server knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Thread {
    number: i64,
    /// When the server was started.
    started: i64,
}

/// The connections of a storage.
pub(super) struct Writer {
    name: String,
    /// Whether they are written down.
    is_recorded: AtomicBool,
    /// Those that were closed or lost since one was made; as many as there may be at once.
    lost: Mutex<Vec<Thread>>,
}

impl Writer {
    pub(super) fn new(name: String) -> Arc<Writer> {
        let (is_recorded, lost) = (AtomicBool::new(false), Mutex::default());
        Arc::new(Writer { name, is_recorded, lost })
    }

    fn text(&self, text: &str, session: &Session) -> String {
        with_prefix(text, &session.texts.prefix).replace("{name}", &self.name)
    }

    fn text_of(&self, text: &str, thread: Thread, session: &Session) -> String {
        let text = self.text(text, session).replace("{number}", &thread.number.to_string());
        text.replace("{started}", &thread.started.to_string())
    }

    /// Ends those that were lost, and writes a new connection down, if they are.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(super) async fn made(self: &Arc<Self>, session: &mut Session) -> Result<(), StorageError> {
        if !self.is_recorded.load(Ordering::Acquire) {
            return Ok(());
        }
        let own = this_thread(session).await?;
        // Each stays among the lost until it is ended: this may fail or be dropped at any await.
        while let Some(lost) = self.first_lost() {
            end(session, own, lost).await?;
            session.simple(self.text_of(FORGET, lost, session)).await.map_err(sure)?;
            self.lost.lock().retain(|other| *other != lost);
        }
        session.recorded = Some(Recorded { writer: self.clone(), thread: own });
        session.simple(self.text_of(RECORD, own, session)).await.map_err(sure)
    }

    fn first_lost(&self) -> Option<Thread> {
        self.lost.lock().first().copied()
    }

    /// Takes over from earlier incarnations. All connections made from now on are written down.
    ///
    /// # Errors
    /// `Unavailable`. What is left open then blocks only those who need the same rows.
    pub(super) async fn take_over(
        self: &Arc<Self>,
        session: &mut Session,
    ) -> Result<(), StorageError> {
        self.is_recorded.store(true, Ordering::Release);
        if session.recorded.is_none() {
            self.made(session).await?;
        }
        let own = this_thread(session).await?;
        let rows = session.ask(self.text(OTHERS, session)).await.map_err(sure)?;
        for row in rows {
            if let (Some(number), Some(started)) = (row.integer(0), row.integer(1)) {
                end(session, own, Thread { number, started }).await?;
            }
        }
        let text = self.text(FORGET_OTHERS, session);
        session.simple(text).await.map_err(sure)
    }
}

/// That a connection is written down; dropped with it.
pub(super) struct Recorded {
    writer: Arc<Writer>,
    thread: Thread,
}

impl Drop for Recorded {
    fn drop(&mut self) {
        self.writer.lost.lock().push(self.thread);
    }
}

async fn this_thread(session: &mut Session) -> Result<Thread, StorageError> {
    let status = match session.has_compound_statements {
        true => "information_schema.GLOBAL_STATUS",
        false => "performance_schema.global_status",
    };
    let rows = session.ask(STARTED.replace("{status}", status)).await.map_err(sure)?;
    let started = rows.first().and_then(|row| row.integer(0));
    let started = started.ok_or_else(|| StorageError::unavailable(NoUptime))?;
    Ok(Thread { number: session.number, started })
}

/// The server does not tell when it was started.
#[derive(Debug, thiserror::Error)]
#[error("the server does not tell its uptime")]
struct NoUptime;

/// Ends a connection, if it is there still.
async fn end(session: &mut Session, own: Thread, other: Thread) -> Result<(), StorageError> {
    let is_gone = own.started.abs_diff(other.started) > SAME_START;
    if is_gone || own.number == other.number {
        return Ok(());
    }
    match session.simple(format!("KILL {}", other.number)).await {
        // It is not there any more, or it is not ours to end.
        Err(error) if error.as_database_error().is_none() => Err(sure(error)),
        _ => Ok(()),
    }
}
