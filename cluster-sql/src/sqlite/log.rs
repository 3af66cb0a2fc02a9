//! Writing the log back into the database, mostly beside the committer.
//!
//! When the log has grown, a thread of its own copies it into the database while the committer goes
//! on. What the committer adds meanwhile it then copies itself, between two batches: that is
//! little, and when the whole log is copied SQLite starts it anew at its beginning.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use cluster_core::storage::StorageError;
use rusqlite::Connection;

use super::connection::open_plain;
use super::options::SqliteOptions;

/// The log is written back when it has this many pages (of 4 KiB): often enough to keep it small,
/// seldom enough that a page which is changed again and again is written back once.
const PAGES_MAX: usize = 16_384;

/// When nobody else has written it back at this size, the committer does it all.
const PAGES_LIMIT: usize = 2 * PAGES_MAX;

/// While a long reader keeps the log from being written back whole, the next attempt waits for this
/// many further pages.
const PAGES_STEP: usize = 4_096;

thread_local! {
    /// Pages in the log after the last commit of this thread's connection.
    static PAGES: Cell<usize> = const { Cell::new(0) };
}

/// Counts the log's pages after each commit of a connection, on the thread that commits.
pub(super) fn count_pages(connection: &Connection) {
    connection.wal_hook(Some(|_, pages| {
        PAGES.set(usize::try_from(pages).unwrap_or(0));
        Ok(())
    }));
}

/// The committer's side.
pub(super) struct LogWriter {
    copier: Copier,
    state: State,
    /// Pages at which the next attempt begins.
    next: usize,
}

enum State {
    Idle,
    /// The copier is at work.
    Copying,
}

impl LogWriter {
    pub(super) fn start(path: &Path, options: &SqliteOptions) -> Result<Self, StorageError> {
        let copier = Copier::start(path, options)?;
        Ok(LogWriter { copier, state: State::Idle, next: PAGES_MAX })
    }

    /// Called between two batches.
    pub(super) fn after_batch(&mut self, connection: &Connection) {
        let pages = PAGES.get();
        if pages < self.next {
            return;
        }
        match self.state {
            State::Idle => {
                self.copier.wake();
                self.state = State::Copying;
            }
            State::Copying if self.copier.is_done() || pages > self.next.max(PAGES_LIMIT) => {
                self.state = State::Idle;
                let whole = write_back(connection);
                self.next = if whole { PAGES_MAX } else { pages + PAGES_STEP };
                PAGES.set(0);
            }
            State::Copying => {}
        }
    }
}

/// Copies the log on a thread of its own.
struct Copier {
    /// `None` only while dropping.
    wake: Option<SyncSender<()>>,
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Copier {
    fn start(path: &Path, options: &SqliteOptions) -> Result<Self, StorageError> {
        let (path, options) = (path.to_owned(), options.clone());
        let (wake, asked) = sync_channel(1);
        let done = Arc::new(AtomicBool::new(false));
        let told = done.clone();
        let thread = thread::Builder::new()
            .name("cluster-sqlite-l".to_owned())
            .spawn(move || copy_when_asked(|| open_plain(&path, &options), &asked, &told))
            .map_err(StorageError::unavailable)?;
        Ok(Copier { wake: Some(wake), done, thread: Some(thread) })
    }

    fn wake(&self) {
        self.done.store(false, Ordering::Release);
        // One that is there already is as good.
        let _ = self.wake.as_ref().map(|wake| wake.try_send(()));
    }

    fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }
}

impl Drop for Copier {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn copy_when_asked(
    open: impl Fn() -> Result<Connection, StorageError>,
    asked: &Receiver<()>,
    done: &AtomicBool,
) {
    let mut connection = None;
    while asked.recv().is_ok() {
        // Opened when first needed: most processes never write that much.
        match connection.take().map_or_else(&open, Ok) {
            Ok(live) => {
                write_back(&live);
                connection = Some(live);
            }
            Err(error) => {
                tracing::warn!(%error, "the log cannot be written back beside the committer")
            }
        }
        done.store(true, Ordering::Release);
    }
}

/// Copies what can be copied without waiting for anybody; says whether that was all.
pub(super) fn write_back(connection: &Connection) -> bool {
    let copied = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
    });
    match copied {
        Ok((in_log, copied)) => in_log == copied,
        Err(error) => {
            tracing::warn!(%error, "the log could not be written back; trying again later");
            false
        }
    }
}
