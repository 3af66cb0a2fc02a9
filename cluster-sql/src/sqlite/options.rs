//! How a database is opened.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cluster_core::storage::{RowLimits, StorageError};
use cluster_core::time::Clock;

use super::Sqlite;
use super::dialect::SqliteDialect;
use crate::schema::check_prefix;

/// When a commit counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Synchronous {
    /// When the disk has it: nothing that was acknowledged is lost when the machine loses power.
    #[default]
    Full,
    /// When the operating system has it: faster. Nothing is lost when the process is killed; a
    /// power failure or a crash of the operating system may take the last commits, never a part of
    /// one, and what was acknowledged may then run again.
    Normal,
}

/// Settings of a [`Sqlite`] storage that is not opened yet. Made by [`Sqlite::options`].
#[derive(Debug, Clone)]
#[must_use = "nothing is opened before `open` is awaited"]
pub struct SqliteOptions {
    pub(super) path: PathBuf,
    pub(super) prefix: String,
    pub(super) synchronous: Synchronous,
    pub(super) busy_timeout: Duration,
    pub(super) cache_bytes: usize,
    pub(super) limits: RowLimits,
    pub(super) clock: Clock,
}

impl SqliteOptions {
    pub(super) fn new(path: &Path) -> Self {
        SqliteOptions {
            path: path.to_owned(),
            prefix: "cluster_".to_owned(),
            synchronous: Synchronous::default(),
            busy_timeout: Duration::from_secs(5),
            cache_bytes: 64 << 20,
            limits: RowLimits::default(),
            clock: Clock::system(),
        }
    }

    /// The prefix of all tables, `cluster_` at first. Several clusters share a file under different
    /// prefixes. 1 to 32 lower-case letters, digits and underscores, no digit first.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// When a commit counts as done; [`Synchronous::Full`] at first.
    pub fn synchronous(mut self, synchronous: Synchronous) -> Self {
        self.synchronous = synchronous;
        self
    }

    /// How long a statement waits while somebody else, such as a tool, holds the file's write lock;
    /// then the call fails with `Unavailable`. 5 s at first.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// How many bytes of the database the writing connection keeps in memory at most; 64 MiB at
    /// first. The index of keys is what profits from it.
    pub fn cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// The most bytes of one payload; slightly above 4 MiB at first.
    pub fn payload_bytes_max(mut self, bytes: usize) -> Self {
        self.limits = RowLimits::of_payload(bytes);
        self
    }

    /// The clock of cluster time, the machine's at first: SQLite runs in this process and has no
    /// other one. For tests.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Opens the database and makes or updates its tables. A missing file is created.
    ///
    /// # Errors
    /// `InUse` when another storage, of this process or of another live one, has the file open
    /// under this prefix; `SchemaTooNew` when a newer program made the tables; `BadSetting` for a
    /// bad path or prefix; `Unavailable` when the file cannot be opened or somebody holds its write
    /// lock.
    pub async fn open(self) -> Result<Sqlite, StorageError> {
        Sqlite::open_with(self).await
    }

    pub(super) fn check(&self) -> Result<(), StorageError> {
        check_prefix::<SqliteDialect>(&self.prefix)?;
        let memory = self.path.as_os_str().is_empty() || self.path.starts_with(":memory:");
        if memory {
            let reason = "the database is a file; in memory there is MemoryStorage".to_owned();
            return Err(StorageError::BadSetting { setting: "path", reason });
        }
        Ok(())
    }
}
